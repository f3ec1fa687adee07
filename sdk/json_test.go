package sdk

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJSON(t *testing.T) {
	tests := []struct {
		name  string
		write func(j *JSON)
		want  string
	}{
		{"object", func(j *JSON) { j.Object().Key("a").Int(-1).Key("b").Text("x").End() }, `{"a":-1,"b":"x"}`},
		{"ended by itself", func(j *JSON) { j.Object().Key("a").Array().Int(1).Object() }, `{"a":[1,{}]}`},
		{"nested", func(j *JSON) { j.Array().Array().End().Array().Bool(true).End().Null().End() }, `[[],[true],null]`},
		{"scalar", func(j *JSON) { j.Text("x") }, `"x"`},
		{"floats", func(j *JSON) {
			j.Array().Float(0.1).Float(1e21).Float(1e-7).Float(-48.123456789).Float(9999999).Float(math.NaN()).Float(math.Inf(1))
		}, `[0.1,1e+21,1e-07,-48.123456789,9999999,null,null]`},
		{"id", func(j *JSON) { j.ID(math.MaxInt64) }, `"9223372036854775807"`},
		{"times", func(j *JSON) { j.Array().Time(time.UnixMicro(1714564800123456)).Time(time.Time{}).Micros(0) },
			`["2024-05-01T12:00:00.123Z",null,"1970-01-01T00:00:00.000Z"]`},
		{"texts", func(j *JSON) { j.Texts([]string{"a", "b"}) }, `["a","b"]`},
		{"raw", func(j *JSON) { j.Array().Raw([]byte(`{"x":1}`)).Raw([]byte(`2`)) }, `[{"x":1},2]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var j JSON
			tt.write(&j)
			got := string(j.Bytes())
			if got != tt.want || j.Err() != nil {
				t.Errorf("got %s, %v, want %s", got, j.Err(), tt.want)
			}
			if !json.Valid([]byte(got)) {
				t.Errorf("%s is no JSON", got)
			}
			j.Reset()
			tt.write(&j)
			if again := string(j.Bytes()); again != tt.want {
				t.Errorf("after Reset %s, want %s", again, tt.want)
			}
		})
	}
}

func TestJSONFaults(t *testing.T) {
	tests := []struct {
		name  string
		write func(j *JSON)
		want  string
	}{
		{"value without key", func(j *JSON) { j.Object().Int(1) }, "without a key"},
		{"key without value", func(j *JSON) { j.Object().Key("a").End() }, "without a value"},
		{"key without value at the end", func(j *JSON) { j.Object().Key("a") }, "without a value"},
		{"key in array", func(j *JSON) { j.Array().Key("a") }, "none belongs"},
		{"key after key", func(j *JSON) { j.Object().Key("a").Key("b") }, "none belongs"},
		{"two values", func(j *JSON) { j.Int(1).Int(2) }, "second value"},
		{"two ends", func(j *JSON) { j.Array().End().End() }, "more ends"},
		{"too deep", func(j *JSON) {
			for range 65 {
				j.Array()
			}
		}, "too deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var j JSON
			tt.write(&j)
			if b := j.Bytes(); b != nil {
				t.Errorf("got %s, want nothing", b)
			}
			if j.Err() == nil || !strings.Contains(j.Err().Error(), tt.want) {
				t.Errorf("error %v, want %q", j.Err(), tt.want)
			}
		})
	}
}

func FuzzJSONText(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é漢🙂\u2028\u2029", "\xff\xfe", "a\xc3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		out := AppendJSONText(nil, s)
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q: %s: %v", s, out, err)
		}
		// encoding/json also writes U+FFFD for each byte that is no UTF-8.
		var want string
		standard, err := json.Marshal(s)
		if err == nil {
			err = json.Unmarshal(standard, &want)
		}
		if err != nil || got != want {
			t.Errorf("%q reads back as %q, want %q, %v", s, got, want, err)
		}
		// The reader agrees.
		in, err := ParseJSON(append(append([]byte(`{"k":`), out...), '}'))
		if err != nil || in.TextOr("k", "?") != want {
			t.Errorf("%q: ParseJSON: %v", s, err)
		}
	})
}

func TestParseJSON(t *testing.T) {
	in, err := ParseJSON([]byte(`{"a": 1, "list": [{"x": 1.5}, {"x": 2}]}`))
	if err != nil {
		t.Fatal(err)
	}
	var got []float64
	for _, o := range in.Objects("list") {
		got = append(got, o.Float("x"))
	}
	if want := []float64{1.5, 2}; !cmp.Equal(got, want) || in.Int("a") != 1 || in.Err() != nil {
		t.Errorf("got %v, %v, want %v", got, in.Err(), want)
	}
	for _, bad := range []string{``, `{`, `{"a":1,"a":2}`, `{} x`, "{\"a\":\"\xff\"}"} {
		if _, err := ParseJSON([]byte(bad)); !Is(err, Invalid) {
			t.Errorf("%q: %v, want an error that is invalid", bad, err)
		}
	}
}
