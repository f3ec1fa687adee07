package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi/cot"
)

// readAll gives what a reader makes of its input, one line for each event or
// fault.
func readAll(in io.Reader) []string {
	var got []string
	r := &captureReader{in: in}
	for {
		ev, err := r.next()
		var bad *badEvent
		switch {
		case errors.Is(err, io.EOF):
			return got
		case errors.As(err, &bad):
			got = append(got, fmt.Sprintf("bad %d", bad.Offset))
		case err != nil:
			return append(got, err.Error())
		default:
			got = append(got, fmt.Sprintf("%s %d", ev.xml, ev.at))
		}
	}
}

func TestCapture(t *testing.T) {
	const a = `<event uid="A" type="a" time="1970-01-01T00:00:01Z"/>`
	const b = `<event uid="B" type="b"><detail>é</detail></event>`
	inComment := `<event uid="C" type="c"><!-- </event> --><detail><![CDATA[</event><event>]]></detail></event >`
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"white space", " \r\n\t ", nil},
		{"one", a, []string{a + " 1000000"}},
		{"no space between", a + b + a, []string{a + " 1000000", b + " 0", a + " 1000000"}},
		{"byte order mark, prologs, comments", "\ufeff<?xml version='1.0'?>\n" + a + "\n<!-- </event> <event -->\n<?xml version='1.0'?>" + b, []string{a + " 1000000", b + " 0"}},
		{"end tags that are none", inComment + b, []string{inComment + " 0", b + " 0"}},
		{"zero bytes between", a + "\x00\n" + b, []string{a + " 1000000", b + " 0"}},
		{"JSON", `{"xml":"<event uid=\"J\" type=\"j\"/>"}` + "\n" + `{"id":"1","recv":"1970-01-01T00:00:02.000001Z","xml":" <event uid=\"K\" type=\"j\"/>\n"}`,
			[]string{`<event uid="J" type="j"/> 0`, `<event uid="K" type="j"/> 2000001`}},
		{"both", `{"xml":"<event uid=\"J\" type=\"j\"/>"}` + "\r\n" + b, []string{`<event uid="J" type="j"/> 0`, b + " 0"}},
		{"junk before", "junk " + b, []string{"bad 0", b + " 0"}},
		{"junk behind", b + "junk", []string{b + " 0", "bad 51"}},
		{"root element", "<events>" + b + "</events>", []string{"bad 0", b + " 0", "bad 59"}},
		{"document type", "<!DOCTYPE x []>" + b, []string{"bad 0", b + " 0"}},
		{"without an end", "<event uid='x' type='y'>" + b, []string{"bad 0", b + " 0"}},
		{"cut at the end", b + "<event uid='x", []string{b + " 0", "bad 51"}},
		{"no uid", "<event type='y'></event>" + b, []string{"bad 0", b + " 0"}},
		{"comment without an end", b + "<!-- " + b, []string{b + " 0", "bad 51", b + " 0"}},
		{"broken JSON", "{\"xml\":\n{\"xml\":\"<event uid='A' type='a'/>\"}", []string{"bad 0", "<event uid='A' type='a'/> 0"}},
		{"JSON without XML", "{}\n" + b, []string{"bad 0", b + " 0"}},
		{"JSON with bad XML", `{"xml":"<event/>"}` + "\n" + b, []string{"bad 0", b + " 0"}},
		{"JSON with a bad time", `{"recv":"then","xml":"<event uid='A' type='a'/>"}`, []string{"bad 0"}},
		{"an open brace", "{", []string{"bad 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, readAll(strings.NewReader(c.in))); diff != "" {
				t.Errorf("at once (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.want, readAll(iotest.OneByteReader(strings.NewReader(c.in)))); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCaptureReadError(t *testing.T) {
	got := readAll(io.MultiReader(strings.NewReader(`<event uid="A" type="a"/><event`), iotest.ErrReader(errors.New("disk on fire"))))
	want := []string{`<event uid="A" type="a"/> 0`, "disk on fire"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCaptureEndless shows that input without an end is given up.
func TestCaptureEndless(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(`<event uid="A" type="a" x="`), io.LimitReader(zeros{}, 2*maxCaptured))
	got := readAll(endless)
	want := []string{"at byte 0: an event without an end in 64 MB"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

// TestCaptureOfDevices reads events as real devices sent them, where they are
// at hand.
func TestCaptureOfDevices(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "data", "atak-examples", "*.cot"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("the folder shared/data with events of real clients is not beside the repository")
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := readAll(strings.NewReader(string(b) + string(b)))
			if len(got) != 2 || got[0] != got[1] || !strings.HasPrefix(got[0], "<event") {
				t.Errorf("got %q", got)
			}
		})
	}
}

func FuzzCapture(f *testing.F) {
	for _, s := range []string{
		`<?xml version="1.0"?><event uid="A" type="a"/><!-- --><event uid="B" type="b"><detail></detail></event>`,
		`{"recv":"2026-11-21T18:00:00Z","xml":"<event uid=\"A\" type=\"a\"/>"}` + "\n<event><event uid='x' type='y'></event >",
		"junk\n{", "<event", "<!-", "\ufeff<?", "<event uid='x' type='y'><![CDATA[</event>]]></event>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := readAll(strings.NewReader(string(b)))
		if diff := cmp.Diff(whole, readAll(iotest.OneByteReader(strings.NewReader(string(b))))); diff != "" {
			t.Errorf("at once and byte by byte differ:\n%s", diff)
		}
		for _, line := range whole {
			xml := line[:strings.LastIndexByte(line, ' ')]
			var h cot.Header
			if strings.HasPrefix(xml, "<") && cot.Scan(xml, &h) != nil {
				t.Errorf("gives an event that is none: %q", xml)
			}
		}
	})
}
