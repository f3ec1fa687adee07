package identity

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// channelsText writes channels as "Blue OUT on".
func channelsText(channels []Channel) []string {
	all := []string{}
	for _, c := range channels {
		state := map[bool]string{true: "on", false: "off"}[c.Active]
		all = append(all, c.Group.Name+" "+c.Direction+" "+state)
	}
	return all
}

func (b *bed) wantSets(user, device string, channels bool, in, out []string) {
	b.t.Helper()
	i, o, err := b.SetsOf(user, device, channels)
	must(b.t, err)
	if diff := cmp.Diff([][]string{in, out}, [][]string{b.groupsOf(i), b.groupsOf(o)}); diff != "" {
		b.t.Errorf("sets of %s on %q, channels %v: in, out (-want +got):\n%s", user, device, channels, diff)
	}
}

func TestChannels(t *testing.T) {
	b := newBed(t)
	none := []string{}
	b.addGroups("Blue", "Green", "Red")
	b.addUser("anna", func(u *NewUser) {
		u.Groups = []Membership{{Group: "Blue", In: true, Out: true}, {Group: "Red", Out: true}}
	})
	b.wantSets("anna", "PHONE", true, []string{"Blue"}, []string{"Blue", "Red"})
	if diff := cmp.Diff([]string{"Blue IN on", "Blue OUT on", "Red OUT on"}, channelsText(b.Channels("ANNA", "PHONE"))); diff != "" {
		t.Errorf("channels at first (-want +got):\n%s", diff)
	}
	b.told.take()
	must(t, b.SetChannels(t.Context(), admin, "Anna", "PHONE", []string{"blue", "Green", "gone", "Blue"}))
	must(t, b.SetChannels(t.Context(), admin, "anna", "PHONE", []string{"Blue"})) // the same again
	must(t, b.SetChannels(t.Context(), admin, "anna", "OTHER", nil))
	if diff := cmp.Diff([]Change{{Users: []string{"anna"}, Device: "PHONE"}}, b.told.take()); diff != "" {
		t.Errorf("changes told (-want +got):\n%s", diff)
	}
	for range 2 {
		if diff := cmp.Diff([]string{"Blue IN off", "Blue OUT off", "Red OUT on"}, channelsText(b.Channels("anna", "PHONE"))); diff != "" {
			t.Errorf("channels (-want +got):\n%s", diff)
		}
		b.wantSets("anna", "PHONE", true, none, []string{"Red"})
		b.wantSets("anna", "PHONE", false, []string{"Blue"}, []string{"Blue", "Red"})
		b.wantSets("anna", "OTHER", true, []string{"Blue"}, []string{"Blue", "Red"})
		b.open()
	}
	// A group that is new to the device is active; one that has another name is the same.
	must(t, second(b.SetUser(t.Context(), admin, "anna", func(u *User) error {
		u.Groups = append(u.Groups, Membership{Group: "Green", In: true})
		return nil
	})))
	must(t, second(b.SetGroup(t.Context(), admin, "Blue", func(g *Group) error { g.Name = "Sky"; return nil })))
	if diff := cmp.Diff([]string{"Green IN on", "Red OUT on", "Sky IN off", "Sky OUT off"}, channelsText(b.Channels("anna", "PHONE"))); diff != "" {
		t.Errorf("channels after changes of groups (-want +got):\n%s", diff)
	}
	b.wantSets("anna", "PHONE", true, []string{"Green"}, []string{"Red"})
	must(t, b.SetChannels(t.Context(), admin, "anna", "PHONE", nil))
	b.wantSets("anna", "PHONE", true, []string{"Green", "Sky"}, []string{"Red", "Sky"})
	wantCode(t, "nobody", b.SetChannels(t.Context(), admin, "bert", "PHONE", nil), store.NotFound)
	wantCode(t, "uid", b.SetChannels(t.Context(), admin, "anna", "a\nb", nil), store.Invalid)
}

func TestSetsOfRolesAndOfNobody(t *testing.T) {
	b := newBed(t)
	b.addGroups("Blue")
	b.addUser("anna")
	b.addUser("reader", withRoles("readonly"), withGroups("Blue"))
	b.wantSets("anna", "", false, []string{"__ANON__"}, []string{"__ANON__"})
	b.wantSets("", "", true, []string{"__ANON__"}, []string{"__ANON__"})
	b.wantSets("reader", "", false, []string{}, []string{"Blue"})
	if diff := cmp.Diff([]string{"Blue OUT on"}, channelsText(b.Channels("reader", ""))); diff != "" {
		t.Errorf("channels of a reader (-want +got):\n%s", diff)
	}
	_, _, err := b.SetsOf("bert", "", false)
	wantCode(t, "nobody", err, store.NotFound)
	if c := b.Anonymous(); c.User != "" || c.InSet != int32(hostapi.AnonSet) || c.OutSet != c.InSet || len(c.Roles) != 1 || c.Roles[0] != RoleAnonymous {
		t.Errorf("Anonymous: got %+v", c)
	}
	if got := b.Channels("bert", ""); got != nil {
		t.Errorf("channels of nobody: got %v", got)
	}
}

func TestDevicesAreBounded(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	for i := range maxDevices + 5 {
		b.clock.add(time.Second)
		must(t, b.SetChannels(t.Context(), admin, "anna", fmt.Sprint("PHONE-", i), []string{"__ANON__"}))
	}
	for range 2 {
		b.wantSets("anna", "PHONE-4", true, []string{"__ANON__"}, []string{"__ANON__"})
		b.wantSets("anna", "PHONE-5", true, []string{}, []string{})
		b.open()
	}
}
