package hostapi

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/takhost/takhost/hostapi/cot"
	"pgregory.net/rapid"
)

// A grant that covers what is asked for lets through all that was asked for.
func TestCoverIsSound(t *testing.T) {
	glob := rapid.StringOfN(rapid.SampledFrom([]rune("ab*")), 0, 5, -1)
	name := rapid.StringOfN(rapid.SampledFrom([]rune("ab")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		grant, ask, s := glob.Draw(t, "grant"), glob.Draw(t, "ask"), name.Draw(t, "name")
		if ScopeGlobs.covers(grant, ask) && cot.MatchGlob(ask, s) && !cot.MatchGlob(grant, s) {
			t.Errorf("%q covers %q, but not %q", grant, ask, s)
		}
	})
}

func TestMatchHost(t *testing.T) {
	tests := []struct {
		pattern, host, port string
		want                bool
	}{
		{"example.org", "example.org", "443", true}, {"example.org", "EXAMPLE.org.", "80", true}, {"example.org", "example.org", "8080", false},
		{"example.org:8080", "example.org", "8080", true}, {"example.org:8080", "example.org", "443", false}, {"example.org:*", "example.org", "1", true},
		{"*.example.org", "a.example.org", "443", true}, {"*.example.org", "example.org", "443", false}, {"*.example.org", "badexample.org", "443", false},
		{"[::1]:8080", "::1", "8080", true}, {"[::1]", "::1", "443", true}, {"*:*", "::1", "9", true}, {"", "", "80", false},
		{"x:", "x", "80", false}, {"x:80a", "x", "80a", false}, {"[::1", "::1", "80", false}, {"x/y", "x/y", "80", false},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.host+" "+tt.port, func(t *testing.T) {
			if got := MatchHost(tt.pattern, tt.host, tt.port); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMatchPath(t *testing.T) {
	tests := []struct {
		prefix, path string
		want         bool
	}{
		{"/a", "/a", true}, {"/a", "/a/b", true}, {"/a", "/ab", false}, {"/a/", "/a/b", true}, {"/a/", "/a", false}, {"/", "/x", true},
	}
	for _, tt := range tests {
		if got := MatchPath(tt.prefix, tt.path); got != tt.want {
			t.Errorf("%s and %s: got %v, want %v", tt.prefix, tt.path, got, tt.want)
		}
	}
}

func TestMissing(t *testing.T) {
	types := func(t ...string) Scope { return Scope{Types: t} }
	box := func(s, w, n, e float64) *cot.Box { return &cot.Box{South: s, West: w, North: n, East: e} }
	tests := []struct {
		name       string
		ask, grant Grants
		want       []string
	}{
		{"nothing asked", nil, nil, nil},
		{"not granted", Grants{CapStore: {Bytes: 16 << 20}}, nil, []string{"store: is not granted (asked for with bytes 16 MiB)"}},
		{"not granted, no scope", Grants{CapIdentityRead: {}}, nil, []string{"identity.read: is not granted"}},
		{"same", Grants{CapEventsRead: types("a-f-*")}, Grants{CapEventsRead: types("a-f-*")}, nil},
		{"narrower", Grants{CapEventsRead: types("a-f-G-*", "b-t-f")}, Grants{CapEventsRead: types("a-*", "b-t-f")}, nil},
		{"wider", Grants{CapEventsRead: types("a-*", "a-f-G", "b-t-f")}, Grants{CapEventsRead: types("a-f-*")},
			[]string{"events.read: types a-*, b-t-f is asked for, granted is a-f-*"}},
		{"groups narrowed by the grant", Grants{CapClients: {}}, Grants{CapClients: {Groups: []string{"Blue", "Red"}}},
			[]string{"clients: groups all is asked for, granted is Blue, Red"}},
		{"groups not narrowed", Grants{CapClients: {Groups: []string{"Blue"}}}, Grants{CapClients: {}}, nil},
		{"missions", Grants{CapEventsRead: {Types: []string{"*"}, Missions: true}}, Grants{CapEventsRead: types("*")},
			[]string{"events.read: missions yes is asked for, granted is no"}},
		{"box", Grants{CapEventsRead: {Types: []string{"*"}}}, Grants{CapEventsRead: {Types: []string{"*"}, Box: box(47, 5, 55, 15.5)}},
			[]string{"events.read: box everywhere is asked for, granted is 47,5,55,15.5"}},
		{"box inside", Grants{CapEventsRead: {Types: []string{"*"}, Box: box(1, 175, 2, -175)}}, Grants{CapEventsRead: {Types: []string{"*"}, Box: box(0, 170, 3, -170)}}, nil},
		{"box the other way round", Grants{CapEventsRead: {Types: []string{"*"}, Box: box(1, -175, 2, 175)}}, Grants{CapEventsRead: {Types: []string{"*"}, Box: box(0, 170, 3, -170)}},
			[]string{"events.read: box 1,-175,2,175 is asked for, granted is 0,170,3,-170"}},
		{"bytes", Grants{CapStore: {Bytes: 1 << 30}}, Grants{CapStore: {}}, []string{"store: bytes 1 GiB is asked for, granted is 64 MiB"}},
		{"default bytes", Grants{CapStore: {}}, Grants{CapStore: {Bytes: 64 << 20}}, nil},
		{"no bound", Grants{CapEventsQuery: types("*")}, Grants{CapEventsQuery: {Types: []string{"*"}, Span: time.Hour}},
			[]string{"events.query: span no bound is asked for, granted is 1h0m0s"}},
		{"paths", Grants{CapHTTPRoutes: {Prefixes: []string{"/Marti/x/y", "/Marti/xy"}}}, Grants{CapHTTPRoutes: {Prefixes: []string{"/Marti/x"}}},
			[]string{"http.routes: prefixes /Marti/xy is asked for, granted is /Marti/x"}},
		{"no paths granted", Grants{CapHTTPRoutes: {Prefixes: []string{"/x"}}}, Grants{CapHTTPRoutes: {}},
			[]string{"http.routes: prefixes /x is asked for, granted is none"}},
		{"no paths asked", Grants{CapHTTPRoutes: {}}, Grants{CapHTTPRoutes: {}}, nil},
		{"hosts", Grants{CapHTTPClient: {Hosts: []string{"A.example.org", "a.example.org:*"}}}, Grants{CapHTTPClient: {Hosts: []string{"*.example.org"}}},
			[]string{"http.client: hosts a.example.org:* is asked for, granted is *.example.org"}},
		{"actions", Grants{CapCall: {Actions: []string{"mission.get"}}}, Grants{CapCall: {Actions: []string{"mission.*"}}}, nil},
		{"order and unknown ones", Grants{"x.y": {}, CapCall: {Actions: []string{"a.b"}}, CapBlobs: {}}, nil,
			[]string{"blobs: is not granted", "call: is not granted (asked for with actions a.b)", "x.y: there is no such capability"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Missing(tt.ask, tt.grant)); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestScopeCheck(t *testing.T) {
	tests := []struct {
		name string
		c    Capability
		s    Scope
		want []string
	}{
		{"good", CapHTTPClient, Scope{Hosts: []string{"*.example.org:8443", "[::1]:*"}}, nil},
		{"missing", CapCall, Scope{}, []string{"actions: is missing: patterns of plugin.action"}},
		{"types", CapEventsRead, Scope{Types: []string{"a f"}}, []string{`types: "a f" is no CoT type: write one such as b-t-f, with * for any text, such as a-f-*`}},
		{"below zero", CapStore, Scope{Bytes: -1}, []string{"bytes: is below zero"}},
		{"box", CapEventsFilter, Scope{Types: []string{"*"}, Box: &cot.Box{South: 2, North: 1}}, []string{"box: its edges are no degrees, or not in the order south, west, north, east"}},
		{"host", CapHTTPClient, Scope{Hosts: []string{"https://x"}}, []string{`hosts: "https://x" is no host: write a name such as *.example.org, with :port or :* if it is not 80 or 443`}},
		{"empty", CapLivePublish, Scope{Names: []string{""}}, []string{`names: "" is empty`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.c.Check(tt.s)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// Each key of the table is a field of Scope of the right type.
func TestScopeHasAllKeys(t *testing.T) {
	for _, c := range Capabilities() {
		if c.Doc() == "" {
			t.Errorf("%s has no doc", c)
		}
		for _, k := range c.Keys() {
			var s Scope
			f := reflect.ValueOf(&s).Elem().FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, k.Name) })
			ok := f.IsValid() && k.Doc != ""
			switch {
			case k.Kind.IsList():
				ok = ok && f.Addr().Interface() == any(s.List(k.Name))
			case k.Kind == ScopeCount, k.Kind == ScopeBytes:
				ok = ok && f.Addr().Interface() == any(s.Amount(k.Name))
			case k.Kind == ScopeSpan:
				ok = ok && s.Amount(k.Name) != nil
			}
			if !ok {
				t.Errorf("%s.%s: no such field of Scope, or no doc", c, k.Name)
			}
		}
	}
}
