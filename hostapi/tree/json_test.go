package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/takhost/takhost/hostapi"
)

// plain turns a tree of JSON into what encoding/json makes of the document.
func plain(n hostapi.Node) any {
	switch n.Kind() {
	case hostapi.NodeObject:
		m := map[string]any{}
		for c := range n.Children() {
			m[c.Name()] = plain(c)
		}
		return m
	case hostapi.NodeArray:
		l := []any{}
		for c := range n.Children() {
			l = append(l, plain(c))
		}
		return l
	case hostapi.NodeString:
		return n.Text()
	case hostapi.NodeNumber:
		return json.Number(n.Text())
	case hostapi.NodeBool:
		v, ok := n.Bool()
		if !ok {
			return "no bool"
		}
		return v
	case hostapi.NodeNull:
		return nil
	}
	return "unknown kind"
}

func std(doc []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more text")
	}
	return v, nil
}

func TestJSON(t *testing.T) {
	for _, doc := range []string{
		`{"name":"fence","points":[[1,2.5],[-3e-7,0]],"on":true,"off":false,"none":null,"":"","deep":{"a":{"b":[{}]}}}`,
		` [ ] `, `"x"`, `0`, `-0.0`, `1E+400`, `{}`, `null`,
		`"\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00 plain ä"`,
		`"\ud83d \ud83d\u0041 \ude00"`,
		`{"a\n":1,"a":2}`,
		`[` + strings.Repeat(`{"k":"v\n"},`, 300) + `1]`,
	} {
		t.Run(doc[:min(len(doc), 30)], func(t *testing.T) {
			want, err := std([]byte(doc))
			if err != nil {
				t.Fatal(err)
			}
			got, err := AppendJSON([]byte("kept"), []byte(doc))
			if err != nil {
				t.Fatalf("got error %v", err)
			}
			root := hostapi.Tree(got[4:]).Root()
			if diff := cmp.Diff(want, plain(root)); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
			if root.Raw() != strings.TrimSpace(doc) {
				t.Errorf("got raw %q, want the document", root.Raw())
			}
		})
	}
}

func TestJSONWithByteOrderMark(t *testing.T) {
	b, err := AppendJSON(nil, []byte("\xef\xbb\xbf{\"a\": 12}"))
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := hostapi.Tree(b).Root().Child("a").Int(); n != 12 || !ok {
		t.Errorf("got %d, %v, want 12", n, ok)
	}
}

func TestJSONFaults(t *testing.T) {
	wide := `{` + strings.Repeat(" ", 3)
	for i := range 25 {
		wide += `"k` + string(rune('A'+i)) + `":1,`
	}
	tests := []struct{ name, doc, want string }{
		{"empty", ` `, "byte 1: document ends where a value should be"},
		{"word", `nul`, "byte 0: no JSON value"},
		{"two values", `1 2`, "byte 2: more text after the end of the value"},
		{"open object", `{"a":1`, "byte 6: neither , nor } after a value"},
		{"open array", `[1 2]`, "byte 3: neither , nor ] after a value"},
		{"comma at the end", `[1,]`, "byte 3: no JSON value"},
		{"comma in an object", `{"a":1,}`, "byte 7: no key in quotes in an object"},
		{"no colon", `{"a" 1}`, "byte 5: no : after a key"},
		{"key twice", `{"a":1,"\u0061":2}`, `byte 7: the same key twice: "a"`},
		{"key twice of many", wide + `"kC":2}`, `byte 179: the same key twice: "kC"`},
		{"leading zero", `01`, "byte 0: a number that begins with 0"},
		{"no digit", `-`, "byte 1: no digit in a number"},
		{"point", `1.`, "byte 2: no digit after the point of a number"},
		{"exponent", `1e+`, "byte 3: no digit in the exponent of a number"},
		{"escape", `"\x"`, "byte 1: an escape in a string that JSON does not have"},
		{"unicode", `"\u12g4"`, "byte 1: no four hexadecimal digits after \\u"},
		{"control", "\"a\nb\"", "byte 2: control character in a string"},
		{"UTF-8", "\"\xff\"", "byte 1: bytes that are no UTF-8"},
		{"open string", `"abc`, "byte 4: document ends inside a string"},
		{"open escape", `"abc\`, "byte 5: document ends inside a string"},
		{"deep", strings.Repeat("[", 65), "byte 64: values nested too deep"},
		{"long", strings.Repeat(" ", 1<<20) + "1", "byte 1048576: document is too long"},
		{"many", "[" + strings.Repeat("1,", 100_000) + "1]", "byte 199999: too many values"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := AppendJSON([]byte("kept"), []byte(tt.doc))
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if string(b) != "kept" {
				t.Errorf("got %d bytes, want dst as it was", len(b))
			}
		})
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,"x\n\ud83d\ude00",true,null,{}]}`, `[1,]`, `"\ud83d"`, "\xef\xbb\xbf1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		b, err := AppendJSON(nil, doc)
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) || fault.Offset < 0 || fault.Offset > len(doc) {
				t.Errorf("got error %#v of %d bytes", err, len(doc))
			}
			if !fault.Limit && !strings.Contains(fault.Msg, "twice") && !strings.Contains(fault.Msg, "UTF-8") && json.Valid(doc) {
				t.Errorf("got %v for valid JSON", err)
			}
			return
		}
		want, err := std(bytes.TrimPrefix(doc, []byte(bom)))
		if err != nil {
			t.Fatalf("accepted what encoding/json does not: %v", err)
		}
		if diff := cmp.Diff(want, plain(hostapi.Tree(b).Root())); diff != "" {
			t.Errorf("value (-want +got):\n%s", diff)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	doc := []byte(`{"uid":"999b5874-1ebf-11f0-9f2d-0242ac120002","how":"nonCoT","name":"Fuel","longitude":-77.0104,"latitude":38.889,` +
		`"address":"1 Main St","attitude":"hostile","geoObject":"Gnd Combat Infantry Sniper","timeout":600,"repeat":[1,2,3]}`)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = AppendJSON(dst[:0], doc); err != nil {
			b.Fatal(err)
		}
	}
}
