package sdk

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFields(t *testing.T) {
	in, err := ParseJSON([]byte(`{
		"s": "text", "empty": "", "n": 7, "big": 99999999999999999999, "f": 1.5, "b": true, "null": null,
		"t": "2024-05-01T12:00:00+02:00", "d": "90s", "days": "2d", "list": ["a", "b"], "mixed": ["a", 1],
		"o": {"x": 1, "p": {"y": "z"}}, "sn": "7", "word": "red"}`))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		read   func(f Fields) any
		want   any
		faults string
	}{
		{"text", func(f Fields) any { return f.Text("s") }, "text", ""},
		{"text missing", func(f Fields) any { return f.Text("x") }, "", "x: is missing"},
		{"text null", func(f Fields) any { return f.Text("null") }, "", "null: is missing"},
		{"text empty", func(f Fields) any { return f.Text("empty") }, "", "empty: is empty"},
		{"text empty but there", func(f Fields) any { return f.TextOr("empty", "y") }, "", ""},
		{"text of a number", func(f Fields) any { return f.Text("n") }, "", "n: is no text"},
		{"text of a number, loose", func(f Fields) any { return f.Loose().Text("n") }, "7", ""},
		{"text or", func(f Fields) any { return f.TextOr("x", "y") }, "y", ""},
		{"text too long", func(f Fields) any { return f.Text("s", AtMost(3)) }, "", `s: the length of "text" is above 3 characters`},
		{"text of a list", func(f Fields) any { return f.Text("word", OneOf("red", "green")) }, "red", ""},
		{"text of another list", func(f Fields) any { return f.Text("word", OneOf("blue", "green")) }, "", `word: "red" is none of blue, green`},
		{"int", func(f Fields) any { return f.Int("n") }, int64(7), ""},
		{"int of a text", func(f Fields) any { return f.Int("sn") }, int64(0), "sn: is no whole number"},
		{"int of a text, loose", func(f Fields) any { return f.Loose().Int("sn") }, int64(7), ""},
		{"int of a float", func(f Fields) any { return f.Int("f") }, int64(0), `f: "1.5" is no whole number`},
		{"int too large", func(f Fields) any { return f.Int("big") }, int64(0), `big: "99999999999999999999" is no whole number`},
		{"int below", func(f Fields) any { return f.IntOr("n", 1, AtLeast(8)) }, int64(1), "n: 7 is below 8"},
		{"int or", func(f Fields) any { return f.IntOr("x", 3, Between(5, 6)) }, int64(3), ""},
		{"float", func(f Fields) any { return f.Float("f") }, 1.5, ""},
		{"float of an int", func(f Fields) any { return f.Float("n", Between(0, 10)) }, 7.0, ""},
		{"bool", func(f Fields) any { return f.Bool("b") }, true, ""},
		{"bool of a number", func(f Fields) any { return f.Bool("n") }, false, "n: is neither true nor false"},
		{"bool or", func(f Fields) any { return f.BoolOr("x", true) }, true, ""},
		{"time", func(f Fields) any { return f.Time("t") }, time.Date(2024, 5, 1, 10, 0, 0, 0, time.UTC), ""},
		{"no time", func(f Fields) any { return f.Time("s").IsZero() }, true, `s: "text" is no time: write such as 2006-01-02T15:04:05Z`},
		{"duration", func(f Fields) any { return f.Duration("d", AtLeast(60)) }, 90 * time.Second, ""},
		{"days", func(f Fields) any { return f.Duration("days") }, 48 * time.Hour, ""},
		{"duration above", func(f Fields) any { return f.DurationOr("d", 0, AtMost(60)) }, time.Duration(0), "d: 90s is above 60s"},
		{"texts", func(f Fields) any { return f.Texts("list") }, []string{"a", "b"}, ""},
		{"texts mixed", func(f Fields) any { return f.Texts("mixed") }, []string{"a"}, "mixed[1]: is no text"},
		{"texts of none", func(f Fields) any { return f.Texts("x") }, []string(nil), ""},
		{"object", func(f Fields) any { return f.Object("o").Int("x") }, int64(1), ""},
		{"deep fault", func(f Fields) any { return f.Object("o").Object("p").Int("y") }, int64(0), "o.p.y: is no whole number"},
		{"no object", func(f Fields) any { return f.Object("s").IntOr("x", 1) }, int64(1), "s: is no object"},
		{"missing object", func(f Fields) any { return f.Object("q").Int("x") }, int64(0), "q.x: is missing"},
		{"two faults", func(f Fields) any { f.Int("s"); return f.Bool("s") }, false, "s: is no whole number; s: is neither true nor false"},
		{"own fault", func(f Fields) any { f.Object("o").Faultf("x", "%d is odd", 1); return nil }, nil, "o.x: 1 is odd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := FieldsOf(in.Node())
			got := tt.read(f)
			if !cmp.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			switch err := f.Err(); {
			case err == nil && tt.faults != "":
				t.Errorf("no fault, want %s", tt.faults)
			case err != nil && (err.Error() != tt.faults || !Is(err, Invalid)):
				t.Errorf("faults %v, want %s", err, tt.faults)
			}
		})
	}
}

func TestFieldsOfPairs(t *testing.T) {
	r := &Request{query: []Pair{{Name: "n", Value: "5"}, {Name: "n", Value: "6"}, {Name: "e", Value: ""}, {Name: "b", Value: "1"}, {Name: "f", Value: "NaN"}}, faults: &faults{}}
	q := r.Query()
	if n := q.Int("n"); n != 5 {
		t.Errorf("n is %d, want 5", n)
	}
	if n := q.IntOr("e", 9); n != 9 {
		t.Errorf("an empty number is %d, want the default", n)
	}
	if !q.Bool("b") {
		t.Error("b is false")
	}
	if got, want := q.Texts("n"), []string{"5", "6"}; !cmp.Equal(got, want) {
		t.Errorf("texts %v, want %v", got, want)
	}
	if err := r.Err(); err != nil {
		t.Errorf("faults %v, want none", err)
	}
	if v := q.FloatOr("f", 1); v != 1 || math.IsNaN(v) || r.Err() == nil {
		t.Errorf("NaN reads as %v, %v", v, r.Err())
	}
}

func TestFieldsAnyCase(t *testing.T) {
	pairs := []Pair{{Name: "UID", Value: "a"}, {Name: "uid", Value: "b"}, {Name: "Limit", Value: "5"}, {Name: "start", Value: "x"}, {Name: "\u212aey", Value: "no K"}}
	r := &Request{query: pairs, faults: &faults{}}
	q := r.Query().AnyCase()
	doc, err := ParseJSON([]byte(`{"Limit": 5, "Uid": "a", "LIST": ["x"], "Sub": {"Deep": "d"}, "Rows": [{"N": 1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	doc = doc.AnyCase()
	xml, err := ParseXML(`<e Uid="a"><Limit>5</Limit><Tag>x</Tag><tag>y</tag></e>`)
	if err != nil {
		t.Fatal(err)
	}
	xml = xml.AnyCase()
	for name, tt := range map[string]struct{ got, want any }{
		"query: the first spelling":   {q.Text("uid"), "a"},
		"query: all of them":          {q.Texts("uId"), []string{"a", "b"}},
		"query: number":               {q.Int("limit", AtMost(9)), int64(5)},
		"query: there":                {q.Has("LIMIT"), true},
		"query: not there":            {q.TextOr("limits", "no"), "no"},
		"query: only ASCII is equal":  {q.Has("key"), false},
		"query: as written otherwise": {r.Query().Text("uid"), "b"},
		"JSON: text":                  {doc.Text("uid"), "a"},
		"JSON: array":                 {doc.Texts("list"), []string{"x"}},
		"JSON: deep":                  {doc.Object("sub").Text("deep"), "d"},
		"XML: attribute":              {xml.Text("UID"), "a"},
		"XML: element":                {xml.Int("limit"), int64(5)},
		"XML: elements":               {xml.Texts("tag"), []string{"x", "y"}},
	} {
		t.Run(name, func(t *testing.T) {
			if !cmp.Equal(tt.got, tt.want) {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		})
	}
	for i, row := range doc.Objects("rows") {
		if i != 0 || row.Int("n") != 1 {
			t.Errorf("row %d has %d", i, row.Int("n"))
		}
	}
	for _, f := range []Fields{doc, xml} {
		if err := f.Err(); err != nil {
			t.Errorf("faults %v, want none", err)
		}
	}
	q.Int("START")
	q.Text("missing")
	if got, want := r.Err().Error(), `START: "x" is no whole number; missing: is missing`; got != want {
		t.Errorf("faults %s, want %s", got, want)
	}
}

func TestFieldsOfXML(t *testing.T) {
	in, err := ParseXML(`<track uid="A" speed="1.5"><name> Alpha </name><tag>x</tag><tag>y</tag><point lat="1"/></track>`)
	if err != nil {
		t.Fatal(err)
	}
	if in.Text("uid") != "A" || in.Float("speed") != 1.5 || in.Text("name") != "Alpha" || in.Object("point").Float("lat") != 1 {
		t.Error("an attribute or element reads wrong")
	}
	if got, want := in.Texts("tag"), []string{"x", "y"}; !cmp.Equal(got, want) {
		t.Errorf("texts %v, want %v", got, want)
	}
	if err := in.Err(); err != nil {
		t.Error(err)
	}
}
