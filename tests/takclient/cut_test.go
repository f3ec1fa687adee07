package takclient

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cutAll feeds a stream in pieces of that size and gives what was cut.
func cutAll(t testing.TB, stream string, piece int) (events []string, stray int) {
	t.Helper()
	var (
		x   xmlCutter
		buf []byte
	)
	for len(stream) > 0 {
		n := min(piece, len(stream))
		buf = append(buf, stream[:n]...)
		stream = stream[n:]
		for {
			start, end, s, ok := x.next(buf)
			if !ok {
				break
			}
			if start < 0 || start >= end || end > len(buf) {
				t.Fatalf("cut [%d:%d] out of %d bytes", start, end, len(buf))
			}
			events = append(events, string(buf[start:end]))
			stray += s
			buf = buf[end:]
		}
	}
	return events, stray + x.stray
}

func TestCutXML(t *testing.T) {
	for _, tc := range []struct {
		name   string
		stream string
		want   []string
		stray  int
	}{
		{"one", `<event uid="a"></event>`, []string{`<event uid="a"></event>`}, 0},
		{"two in a row", `<event uid="a"></event><event uid="b"></event>`, []string{`<event uid="a"></event>`, `<event uid="b"></event>`}, 0},
		{"prolog and newlines", "<?xml version='1.0'?>\n<event a='1'>\n</event>\r\n", []string{"<event a='1'>\n</event>"}, 0},
		{"empty element", `<event/><event uid="b"/>`, []string{`<event/>`, `<event uid="b"/>`}, 0},
		{"space in the end tag", `<event ></event >`, []string{`<event ></event >`}, 0},
		{"end tag in a comment", `<event><!-- </event> --></event>`, []string{`<event><!-- </event> --></event>`}, 0},
		{"end tag in CDATA", `<event><![CDATA[</event>]]></event>`, []string{`<event><![CDATA[</event>]]></event>`}, 0},
		{"end tag in an attribute", `<event a="</event>" b='>'></event>`, []string{`<event a="</event>" b='>'></event>`}, 0},
		{"event in an event", `<event><detail><event></event></detail></event>`, []string{`<event><detail><event></event></detail></event>`}, 0},
		{"slash before the bracket in a quote", `<event a="/"></event>`, []string{`<event a="/"></event>`}, 0},
		{"instruction inside", `<event><?a </event>?></event>`, []string{`<event><?a </event>?></event>`}, 0},
		{"text between", `a b c<event></event> de<event></event>`, []string{`<event></event>`, `<event></event>`}, 5},
		{"another element", `<auth></auth><events/><event></event>`, []string{`<event></event>`}, 22},
		{"only junk", `xyz`, nil, 3},
		{"unfinished", `<event><detail>`, nil, 0},
		{"declaration", `<!DOCTYPE x><event></event>`, []string{`<event></event>`}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for piece := 1; piece <= len(tc.stream); piece++ {
				got, stray := cutAll(t, tc.stream, piece)
				if d := cmp.Diff(tc.want, got); d != "" {
					t.Fatalf("events in pieces of %d (-want +got):\n%s", piece, d)
				}
				if stray != tc.stray {
					t.Fatalf("pieces of %d: got %d stray bytes, want %d", piece, stray, tc.stray)
				}
			}
		})
	}
}

func FuzzCutXML(f *testing.F) {
	f.Add(`<?xml version="1.0"?><event a="1"><detail/></event>`, 3)
	f.Add("00 00", 3)
	f.Add(`<event><!-- </event> --><![CDATA[</event>]]></event >x<event/>`, 1)
	f.Fuzz(func(t *testing.T, stream string, piece int) {
		if piece < 1 || len(stream) > 1<<12 {
			return
		}
		whole, wholeStray := cutAll(t, stream, len(stream))
		parts, partsStray := cutAll(t, stream, piece)
		if d := cmp.Diff(whole, parts); d != "" {
			t.Errorf("pieces change what is cut (-whole +pieces):\n%s", d)
		}
		if wholeStray != partsStray {
			t.Errorf("got %d stray bytes in pieces, %d in one", partsStray, wholeStray)
		}
		for _, e := range whole {
			if !strings.HasPrefix(e, "<event") || !strings.HasSuffix(e, ">") {
				t.Errorf("got %q, want an event element", e)
			}
		}
	})
}

func TestCutProto(t *testing.T) {
	frame := appendProto(nil, []byte("payload"))
	long := appendProto(nil, make([]byte, 300))
	for _, tc := range []struct {
		name    string
		buf     []byte
		skip    int
		payload []byte
		err     string
	}{
		{"whole", frame, 0, []byte("payload"), ""},
		{"two-byte length", long, 0, make([]byte, 300), ""},
		{"more behind it", append(bytes.Clone(frame), 0xBF, 1), 0, []byte("payload"), ""},
		{"half", frame[:4], 0, nil, ""},
		{"magic only", frame[:1], 0, nil, ""},
		{"half a length", long[:2], 0, nil, ""},
		{"empty payload", []byte{0xBF, 0}, 0, []byte{}, ""},
		{"stray bytes before", append([]byte("<event/>"), frame...), 8, []byte("payload"), ""},
		{"only stray bytes", []byte("<event/>"), 8, nil, ""},
		{"largest", appendProto(nil, make([]byte, protoMax)), 0, make([]byte, protoMax), ""},
		{"too large", appendProto(nil, make([]byte, protoMax+1)), 0, nil, "65537"},
		{"endless length", bytes.Repeat([]byte{0xBF}, 12), 0, nil, "varint"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			skip, start, end, ok, err := cutProto(tc.buf)
			if skip != tc.skip {
				t.Errorf("got %d bytes to skip, want %d", skip, tc.skip)
			}
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("got error %v, want one with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			if ok != (tc.payload != nil) {
				t.Fatalf("got ok %v, want %v", ok, tc.payload != nil)
			}
			if ok && !bytes.Equal(tc.buf[start:end], tc.payload) {
				t.Errorf("got payload %q, want %q", tc.buf[start:end], tc.payload)
			}
		})
	}
}

func FuzzCutProto(f *testing.F) {
	f.Add(appendProto([]byte("x"), []byte("payload")))
	f.Fuzz(func(t *testing.T, b []byte) {
		skip, start, end, ok, err := cutProto(b)
		if skip < 0 || skip > len(b) {
			t.Fatalf("got skip %d of %d bytes", skip, len(b))
		}
		if err == nil && ok && !(skip < start && start <= end && end <= len(b) && end-start <= protoMax) {
			t.Fatalf("got frame [%d:%d] behind %d of %d bytes", start, end, skip, len(b))
		}
	})
}
