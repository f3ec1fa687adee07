package main

import (
	"testing"

	rest "github.com/takhost/takhost/core/admin"
)

func TestGroupsText(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		name string
		list []rest.Membership
		want string
	}{
		{"none", nil, "__ANON__"},
		{"both ways", []rest.Membership{{Group: "Blue"}, {Group: "Red", In: &yes, Out: &yes}}, "Blue, Red"},
		{"one way", []rest.Membership{{Group: "Blue", Out: &no}, {Group: "Red", In: &no}}, "Blue:in, Red:out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := groupsText(tt.list); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestQuoted(t *testing.T) {
	for name, want := range map[string]string{
		"ann": "ann", "a.b@c-d_e": "a.b@c-d_e", "Red Team": "'Red Team'", "$(x)": "'$(x)'", "o'neil": `'o'\''neil'`, "Zoë": "'Zoë'",
	} {
		t.Run(name, func(t *testing.T) {
			if got := quoted(name); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
