package onboard

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPreferences(t *testing.T) {
	const text = `{"big":3000000000,"f":1.5,"huge":1e+20,"n":-1,"no":false,"set":["x","<y>"],"text":"7","whole":2.0,"yes":true,"ä & <k>":"v\"'"}`
	var p Preferences
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	want := Preferences{
		"big": int64(3000000000), "f": float32(1.5), "huge": float32(1e20), "n": int64(-1), "no": false, "set": []string{"x", "<y>"},
		"text": "7", "whole": float32(2), "yes": true, "ä & <k>": `v"'`,
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("read JSON (-want +got):\n%s", diff)
	}
	file, err := p.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	wantFile := map[string]map[string]string{AppPrefs: {
		"big": "java.lang.Long 3000000000", "f": "java.lang.Float 1.5", "huge": "java.lang.Float 1e+20", "n": "java.lang.Integer -1",
		"no": "java.lang.Boolean false", "set": "java.util.HashSet x|<y>", "text": "java.lang.String 7", "whole": "java.lang.Float 2",
		"yes": "java.lang.Boolean true", "ä & <k>": `java.lang.String v"'`,
	}}
	if diff := cmp.Diff(wantFile, readPrefs(t, file)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	back, err := ReadPreferences(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, back); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	again, err := json.Marshal(back)
	if err != nil {
		t.Fatal(err)
	}
	var third Preferences
	if err := json.Unmarshal(again, &third); err != nil || !cmp.Equal(want, third) {
		t.Errorf("as JSON and back: got %s, error %v", again, err)
	}
	if empty, err := (Preferences{}).Bytes(); err != nil {
		t.Error(err)
	} else if got, err := ReadPreferences(empty); err != nil || len(got) != 0 {
		t.Errorf("empty: got %v, error %v", got, err)
	}
}

func TestPreferencesRefused(t *testing.T) {
	many := map[string]int{}
	for i := range mostPrefs + 1 {
		many[strings.Repeat("k", i+1)] = i
	}
	manyText, err := json.Marshal(many)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"no object", `[1]`, "array"},
		{"null", `null`, "JSON object"},
		{"no JSON", `{"a"`, "JSON"},
		{"null inside", `{"a":null}`, "preference a"},
		{"object inside", `{"a":{}}`, "preference a"},
		{"all faults", `{"a":{},"b":[1],"c":"good"}`, "preference b"},
		{"number too large", `{"a":99999999999999999999}`, "too large"},
		{"float too large", `{"a":1e39}`, "too large"},
		{"no key", `{"":1}`, "no key"},
		{"control character", `{"a":"\u0001"}`, "control character"},
		{"control character in a list", `{"a":["x","\n"]}`, "control character"},
		{"too many", string(manyText), "limit is 1000"},
		{"too large", `{"a":"` + strings.Repeat("x", MostPrefsSize) + `"}`, "limit is 1048576"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p Preferences
			err := json.Unmarshal([]byte(tt.text), &p)
			if err == nil {
				_, err = p.Bytes()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %.200v, want one with %q", err, tt.want)
			}
		})
	}
	for name, v := range map[string]any{"not a number": float32(math.NaN()), "no end": float32(math.Inf(1)), "another type": 1.5} {
		if _, err := (Preferences{"a": v}).Bytes(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// What an uploaded file says and Preferences cannot is not lost on the way.
func TestReadPreferencesRefused(t *testing.T) {
	entry := func(class, text string) string {
		return `<preferences><preference version="1" name="` + AppPrefs + `"><entry key="k" class="class ` + class + `">` + text + `</entry></preference></preferences>`
	}
	for _, tt := range []struct{ name, file, want string }{
		{"nothing", "", "EOF"},
		{"no XML", "<preferences>", "unexpected EOF"},
		{"something else", "<prefs/>", "preferences"},
		{"more", "<preferences/><preferences/>", "follows"},
		{"another group", `<preferences><preference version="1" name="cot_streams"/></preferences>`, "cot_streams"},
		{"small Long", entry("java.lang.Long", "5"), "Integer"},
		{"no number", entry("java.lang.Integer", "five"), `"five"`},
		{"Integer too large", entry("java.lang.Integer", "3000000000"), "range"},
		{"Double", entry("java.lang.Double", "5"), "java.lang.Double"},
		{"twice", strings.Replace(entry("java.lang.String", ""), "</preference>", `<entry key="k" class="class java.lang.String"/></preference>`, 1), "twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ReadPreferences([]byte(tt.file)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// What is read can be written, and is the same then.
func FuzzReadPreferences(f *testing.F) {
	for _, p := range []Preferences{{}, {"a": "x", "b": int64(1), "c": float32(.5), "d": true, "e": []string{"1", "2"}, "f": int64(1) << 40}} {
		b, err := p.Bytes()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := ReadPreferences(file)
		if err != nil {
			return
		}
		b, err := p.Bytes()
		if err != nil {
			return // control characters, too many
		}
		again, err := ReadPreferences(b)
		if err != nil || !cmp.Equal(p, again) {
			t.Errorf("got %v, error %v, want %v", again, err, p)
		}
	})
}
