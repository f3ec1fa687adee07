package identity

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

func TestGroups(t *testing.T) {
	b := newBed(t)
	b.addGroups("Blue", "Red")
	blue, _ := b.Group("bLUE")
	if diff := cmp.Diff(Group{ID: 2, Name: "Blue", Created: start}, blue); diff != "" {
		t.Errorf("Blue (-want +got):\n%s", diff)
	}
	tests := []struct {
		name string
		err  error
		code store.Code
	}{
		{"same name", second(b.AddGroup(t.Context(), admin, "BLUE", "")), store.Conflict},
		{"no name", second(b.AddGroup(t.Context(), admin, "", "")), store.Invalid},
		{"__anon__", second(b.AddGroup(t.Context(), admin, "__anon__", "")), store.Conflict},
		{"description", second(b.AddGroup(t.Context(), admin, "x", strings.Repeat("x", 257))), store.Invalid},
		{"rename to a name in use", second(b.SetGroup(t.Context(), admin, "Blue", func(g *Group) error { g.Name = "red"; return nil })), store.Conflict},
		{"rename __ANON__", second(b.SetGroup(t.Context(), admin, "__ANON__", func(g *Group) error { g.Name = "all"; return nil })), store.Conflict},
		{"remove __ANON__", b.RemoveGroup(t.Context(), admin, "__ANON__"), store.Conflict},
		{"remove what is not there", b.RemoveGroup(t.Context(), admin, "Green"), store.NotFound},
		{"set what is not there", second(b.SetGroup(t.Context(), admin, "Green", func(*Group) error { return nil })), store.NotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantCode(t, "error", tt.err, tt.code) })
	}
	must(t, second(b.SetGroup(t.Context(), admin, "blue", func(g *Group) error { g.Name, g.Description, g.ID = "BLUE", "of the sky", 77; return nil })))
	must(t, second(b.SetGroup(t.Context(), admin, "__ANON__", func(g *Group) error { g.Description = "all"; return nil })))
	if _, ok := b.sets.Named("Blue"); ok {
		t.Error("the router has the former name")
	}
	if id, ok := b.sets.Named("BLUE"); !ok || id != 2 {
		t.Errorf("the router has BLUE as %d, %v", id, ok)
	}
	must(t, b.RemoveGroup(t.Context(), admin, "BLUE"))
	b.open()
	b.addGroups("Blue")
	if blue, _ = b.Group("Blue"); blue.ID != 4 {
		t.Errorf("another Blue has id %d, want 4: ids are not used again", blue.ID)
	}
	if anon, _ := b.Group("__ANON__"); anon.Description != "all" || anon.ID != hostapi.AnonGroup {
		t.Errorf("__ANON__: got %+v", anon)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRemovedGroup(t *testing.T) {
	b := newBed(t)
	b.addGroups("Blue", "Red")
	b.addUser("anna", withGroups("Blue", "Red"))
	b.addUser("bert", withGroups("Red"))
	must(t, b.SetChannels(t.Context(), admin, "anna", "PHONE", []string{"Blue"}))
	_, _, err := b.NewEnrolment(t.Context(), admin, EnrolmentSpec{Event: &EventCode{Prefix: "ev", Groups: []Membership{{Group: "Blue", In: true}}}, Expires: start.Add(time.Hour)})
	must(t, err)
	err = b.RemoveGroup(t.Context(), admin, "Blue")
	wantCode(t, "only group of an event", err, store.Conflict)
	if err == nil || !strings.Contains(err.Error(), "only group of 1: event ev;") {
		t.Errorf("got %v", err)
	}
	err = b.RemoveGroup(t.Context(), admin, "Red")
	wantCode(t, "only group of bert", err, store.Conflict)
	must(t, b.RemoveEnrolment(t.Context(), admin, b.Enrolments()[0].ID))
	b.told.take()
	must(t, b.RemoveGroup(t.Context(), admin, "blue"))
	if diff := cmp.Diff([]Change{{Users: []string{"anna"}, Groups: true}}, b.told.take()); diff != "" {
		t.Errorf("changes told (-want +got):\n%s", diff)
	}
	for range 2 {
		in, out, err := b.SetsOf("anna", "PHONE", true)
		must(t, err)
		if diff := cmp.Diff([][]string{{"Red"}, {"Red"}}, [][]string{b.groupsOf(in), b.groupsOf(out)}); diff != "" {
			t.Errorf("groups of anna (-want +got):\n%s", diff)
		}
		b.open()
	}
}
