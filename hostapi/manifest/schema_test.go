package manifest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestApply(t *testing.T) {
	m, err := Parse(read(t, "testdata/geofence.json"))
	if err != nil {
		t.Fatal(err)
	}
	body := m.Routes[1].Input
	tests := []struct {
		name   string
		schema *Schema
		in     any
		want   any
		fault  string
	}{
		{"defaults", m.Config, nil, map[string]any{"radius": 500.0, "mode": "both"}, ""},
		{"given", m.Config, map[string]any{"radius": 7, "webhook": nil, "mode": "enter"}, map[string]any{"radius": 7, "webhook": nil, "mode": "enter"}, ""},
		{"unknown key", m.Config, map[string]any{"raduis": 7}, nil, `c.raduis: is not known: did you mean "radius"?`},
		{"enum", m.Config, map[string]any{"mode": "in"}, nil, `c.mode: is the text "in": it is one of "enter","leave","both"`},
		{"pattern", m.Config, map[string]any{"webhook": "http://x"}, nil, `c.webhook: "http://x" does not match ^https://`},
		{"type", m.Config, map[string]any{"radius": "7"}, nil, `c.radius: is the text "7": write a number`},
		{"low", m.Config, map[string]any{"radius": -0.5}, nil, `c.radius: -0.5 is too low: at least 0`},
		{"no object", m.Config, 5, nil, `c: is the number 5: write an object`},
		{"missing", body, map[string]any{}, nil, `c.name: is missing`},
		{"short", body, map[string]any{"name": ""}, nil, `c.name: has 0 characters: at least 1`},
		{"inside", body, map[string]any{"name": "x", "points": []any{[]any{1, 2}, []any{1}}}, nil, `c.points[1]: has 1 items: at least 2`},
		{"no settings", nil, map[string]any{"a": 1}, nil, `c: takes no settings`},
		{"none", nil, nil, map[string]any{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.schema.Apply("c", tt.in)
			if tt.fault != "" {
				if err == nil || err.Error() != tt.fault {
					t.Errorf("got %v, want %q", err, tt.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// Numbers of the manifest are json.Number, those of a test are not.
			if diff := cmp.Diff(tt.want, got, cmp.FilterValues(func(a, b any) bool {
				_, x := real(a)
				_, y := real(b)
				return x && y
			}, cmp.Comparer(equal))); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	known := []string{"subscriptions", "timers", "data", "name"}
	for word, want := range map[string]string{
		"subscribtions": `: did you mean "subscriptions"?`, "nmae": `: did you mean "name"?`, "TIMERS": `: did you mean "timers"?`,
		"dta": `: did you mean "data"?`, "colour": "", "": "",
	} {
		if got := nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
