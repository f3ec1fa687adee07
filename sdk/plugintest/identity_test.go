package plugintest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

func TestIdentity(t *testing.T) {
	in := startInside(t)
	anna := sdk.Identity{User: "anna", Name: "Anna", Roles: []string{"operator"}, InSet: 1, OutSet: 1}
	in.AddUser(anna)
	in.AddCertificate("0A1B", sdk.Identity{User: "anna", Certificate: []byte{0x30, 0}, Revoked: true})
	set := in.Set("Red", "Blue")
	err := in.call(func(c *sdk.Call) error {
		user, err := c.User("anna")
		if diff := cmp.Diff(anna, user); diff != "" || err != nil {
			t.Errorf("the user: %v (-want +got):\n%s", err, diff)
		}
		groups, err := c.GroupsOf(set)
		if diff := cmp.Diff([]string{"Blue", "Red"}, groups); diff != "" || err != nil {
			t.Errorf("the groups: %v (-want +got):\n%s", err, diff)
		}
		cert, err := c.Certificate("0A1B")
		if err != nil || cert.User != "anna" || !cert.Revoked || string(cert.Certificate) != "\x30\x00" {
			t.Errorf("the certificate: got %+v, %v", cert, err)
		}
		for what, ask := range map[string]func() error{
			"user": func() error { _, err := c.User("nobody"); return err },
			"set":  func() error { _, err := c.GroupsOf(99); return err },
			"cert": func() error { _, err := c.Certificate("0"); return err },
		} {
			if err := ask(); !sdk.Is(err, sdk.NotFound) {
				t.Errorf("a %s that is not there: got %v, want not_found", what, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	bare := startInside(t, plugintest.Without(hostapi.CapIdentityRead))
	err = bare.call(func(c *sdk.Call) error { _, err := c.User("anna"); return err })
	if !sdk.Is(err, sdk.Forbidden) {
		t.Errorf("without the grant: got %v, want forbidden", err)
	}
}

// A crowd comes in one call; when that fails, one by one.
func TestCrowd(t *testing.T) {
	var calls [][]string
	k := plugintest.Start(t, "testdata/plugin.json", plugintest.Plugin(func() *sdk.Plugin {
		return &sdk.Plugin{Crowd: func(_ *sdk.Call, crowd sdk.Crowd) error {
			var uids []string
			for ch := range crowd.All() {
				who, err := ch.Client()
				if err != nil || who.UID != ch.UID() || who.Connected != ch.Connected() || ch.At == 0 {
					t.Errorf("client %+v, %v, of %+v", who, err, ch)
				}
				uids = append(uids, ch.UID())
			}
			calls = append(calls, uids)
			if uids[len(uids)-1] == "C" {
				return sdk.Failedf("no")
			}
			return nil
		}}
	}))
	k.Connect(sdk.Client{UID: "A"}, sdk.Client{UID: "B"})
	k.Connect(sdk.Client{UID: "D"}, sdk.Client{UID: "C"})
	if want := [][]string{{"A", "B"}, {"D", "C"}, {"D"}, {"C"}}; !cmp.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
	if l := k.DeadLetters(); len(l) != 1 || l[0].Subject != "C" {
		t.Errorf("dead letters %v, want that of C", l)
	}
}
