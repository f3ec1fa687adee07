package manifest

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/index"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoodManifest(t *testing.T) {
	m, err := Parse(read(t, "testdata/geofence.json"))
	if err != nil {
		t.Fatal(err)
	}
	wantGrants := hostapi.Grants{
		hostapi.CapEventsRead:   {Types: []string{"a-*", "b-a-o-*"}, Box: &cot.Box{South: 40, West: 0, North: 60, East: 20}, Rate: 5000},
		hostapi.CapEventsFilter: {Types: []string{"a-n-*"}},
		hostapi.CapEventsEmit:   {Types: []string{"b-a-g"}, Rate: 10},
		hostapi.CapEventsQuery:  {Types: []string{"a-f-*"}, Span: 7 * 24 * time.Hour, Rows: 500},
		hostapi.CapStore:        {Bytes: 16 << 20},
		hostapi.CapBlobs:        {},
		hostapi.CapClients:      {Groups: []string{"Blue"}},
		hostapi.CapTimers:       {Number: 1},
		hostapi.CapHTTPRoutes:   {Prefixes: []string{"/Marti/geofence"}, Listeners: []string{"web", "rest", "https"}},
		hostapi.CapHTTPClient:   {Hosts: []string{"*.example.org"}, Methods: []string{"POST"}},
		hostapi.CapCall:         {Actions: []string{"mission.*"}},
	}
	if diff := cmp.Diff(wantGrants, m.Grants()); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	wantSub := Subscription{Types: []string{"a-f-*", "a-h-G-*"}, Detail: []string{"track", "remarks"}, Latest: true,
		Box: &Box{South: 47, West: 5, North: 55, East: 15.5}, Groups: []string{"Blue"}}
	if diff := cmp.Diff(wantSub, m.Subscriptions[0]); diff != "" {
		t.Errorf("subscription (-want +got):\n%s", diff)
	}
	type rest struct {
		Runtime, Entry, State, OnSwap, OnFailure, Placement, Method, Body, Response, Errors, Static string
		Data, Version                                                                               int64
		Every                                                                                       Duration
		Memory, MaxBody                                                                             Bytes
	}
	got := rest{m.Runtime, m.Entry, m.State, m.OnSwap, m.OnFailure, m.Placement, m.Routes[0].Method, m.Routes[0].Body, m.Routes[0].Response, m.Routes[0].Errors,
		m.Static.Path, m.Data, m.Provides[0].Version, m.Timers[0].Every, m.Limits.Memory, m.Routes[2].MaxBody}
	want := rest{"wasm", "plugin.wasm", "store", "migrate", "skip", "every", "GET", "none", "application/json", "problem",
		"/api/plugins/geofence/static/", 3, 1, Duration(30 * time.Second), 32 << 20, 20 << 20}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values and defaults (-want +got):\n%s", diff)
	}
	c, ok := m.Collection("fences")
	if !ok {
		t.Fatal("no collection fences")
	}
	x, ok := c.Index("by-place")
	if !ok {
		t.Fatal("no index by-place")
	}
	if diff := cmp.Diff([]index.Kind{index.KindFloat, index.KindFloat}, x.Kinds()); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
}

func TestSmallestManifest(t *testing.T) {
	if _, err := Parse([]byte(`{"name": "x", "version": "0.1.0", "abi": "tak/1"}`)); err != nil {
		t.Error(err)
	}
}

func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			m, err := Parse(read(t, name))
			var faults Faults
			if !errors.As(err, &faults) || m != nil {
				t.Fatalf("got %v, %v, want faults and no manifest", m, err)
			}
			golden(t, strings.TrimSuffix(name, ".json")+".txt", err.Error()+"\n")
		})
	}
}

func TestNotJSON(t *testing.T) {
	tests := []struct{ name, doc, want string }{
		{"comma", "{\n  \"name\": \"x\",\n}", "plugin.json:3:1: no key in quotes in an object"},
		{"key twice", "{\"name\": \"x\",\n \"name\": \"y\"}", `plugin.json:2:2: the same key twice: "name"`},
		{"empty", "", "plugin.json:1:1: document ends where a value should be"},
		{"list", "[]", "is an empty list: write an object"},
		{"too long", `{"name": "` + strings.Repeat("x", MaxSize) + `"}`, "plugin.json:1:262145: document is too long"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse([]byte(tt.doc)); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Other decoders give other kinds of numbers.
func TestFromTree(t *testing.T) {
	for _, n := range []any{2, int64(2), uint64(2), 2.0} {
		m, err := FromTree(map[string]any{"name": "x", "version": "0.1.0", "abi": "tak/1", "data": n})
		if err != nil || m.Data != 2 {
			t.Errorf("%T: got %+v, %v, want data 2", n, m, err)
		}
	}
	if _, err := FromTree(nil); err == nil || err.Error() != "is empty: write an object" {
		t.Errorf("got %v", err)
	}
}

func TestDecodeGrant(t *testing.T) {
	var c Capabilities
	if err := c.Decode("plugins.geofence.grant", map[string]any{"events.read": []any{"a-f-*"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Capabilities{hostapi.CapEventsRead: {Types: []string{"a-f-*"}}}, c); diff != "" {
		t.Errorf("grant (-want +got):\n%s", diff)
	}
	err := c.Decode("plugins.geofence.grant", map[string]any{"evnts.read": true})
	if want := `plugins.geofence.grant.evnts.read: is no capability: did you mean "events.read"?`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestManyFaultsAreCut(t *testing.T) {
	m := map[string]any{}
	for i := range 1000 {
		m["key"+strconv.Itoa(i)] = true
	}
	_, err := FromTree(m)
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != maxFaults+1 {
		t.Errorf("got %d faults, want %d", len(faults), maxFaults+1)
	}
}

// The tags are read at run time; a slip in one would show nowhere else.
func TestTags(t *testing.T) {
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if _, ok := reflect.New(typ).Interface().(custom); ok || typ.Kind() != reflect.Struct {
			return
		}
		for _, f := range fields(typ) {
			if f.key == "" || f.doc == "" {
				t.Errorf("%s: field %d has no key or no doc", typ, f.index)
			}
			kind := typ.Field(f.index).Type
			for _, tag := range []string{"min", "max"} {
				if _, ok := typ.Field(f.index).Tag.Lookup(tag); ok && kind.Kind() != reflect.Int64 {
					t.Errorf("%s.%s: %s on a %s", typ, f.key, tag, kind)
				}
			}
			if _, err := strconv.ParseInt(f.def, 10, 64); kind.Kind() == reflect.Int64 && f.def != "" && err != nil {
				t.Errorf("%s.%s: default %q is no number", typ, f.key, f.def)
			}
			walk(kind)
		}
	}
	walk(reflect.TypeFor[Manifest]())
}

func TestSchemaIsFresh(t *testing.T) {
	b, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "plugin.schema.json", string(b))
}

func FuzzManifest(f *testing.F) {
	f.Add(read(f, "testdata/geofence.json"))
	files, err := filepath.Glob("testdata/bad/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		m, err := Parse(doc)
		if (m == nil) == (err == nil) {
			t.Fatalf("got %v and %v", m, err)
		}
		if err != nil {
			if err.Error() == "" {
				t.Error("got an error that says nothing")
			}
			return
		}
		if _, err := m.Config.Apply("config", map[string]any{"radius": 1.0}); err != nil && err.Error() == "" {
			t.Error("got an error that says nothing")
		}
	})
}
