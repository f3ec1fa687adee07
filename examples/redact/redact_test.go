package main

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

const (
	grid   = `{"box": {"south": 50, "west": 8, "north": 51, "east": 9}, "cell": 0.1}`
	drop   = `{"box": {"south": 50, "west": 8, "north": 51, "east": 9}, "mode": "drop"}`
	across = `{"box": {"south": -10, "west": 175, "north": 10, "east": -175}, "cell": 1}`
)

// at is a position as ATAK sends it, with something more in its detail.
func at(lat, lon, detail string) string {
	return `<event version="2.0" uid="A" type="a-f-G-U-C" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:01:00Z">` +
		`<point lat="` + lat + `" lon='` + lon + `' hae="123.4" ce="5" le="5"/><detail><contact callsign="ALPHA"/>` + detail + `</detail></event>`
}

// point is what is left of the position in the first cell of grid.
const point = `<point lat="50.15" lon="8.25" hae="9999999" ce="6606" le="9999999"/>`

func TestFilter(t *testing.T) {
	tests := []struct {
		name, config string
		xml          string
		want         string // passes; drops: reason; or what is in the event that goes on
		without      string
	}{
		{name: "outside", config: grid, xml: at("49.9", "8.5", "<track speed='3'/>"), want: "passes"},
		{name: "no position", config: grid, xml: `<event version="2.0" uid="A" type="t-x-c-t"/>`, want: "passes"},
		{name: "inside", config: grid, xml: at("50.123", "8.2101", ""), want: point, without: "50.123"},
		{name: "the rest stays", config: grid, xml: at("50.123", "8.2101", `<x y='1'>  z </x>`), want: `<contact callsign="ALPHA"/><x y='1'>  z </x>`},
		{name: "speed and course go", config: grid, xml: at("50.123", "8.2101", `<track speed="3" course="10"/><precisionlocation/>`), want: point, without: "track"},
		{name: "chat keeps its link", config: grid, xml: at("50.123", "8.2101", `<link uid="A" relation="p-p"/>`), want: `<link uid="A" relation="p-p"/>`},
		{name: "on the edge", config: grid, xml: at("51", "9", ""), want: `lat="51.05" lon="9.05"`},
		{name: "a shape", config: grid, xml: at("50.1", "8.2", `<shape><ellipse major="5"/></shape>`), want: "drops: drawn inside the box"},
		{name: "a route", config: grid, xml: at("50.1", "8.2", `<link point="50.1,8.2" relation="c"/>`), want: "drops: drawn inside the box"},
		{name: "drop", config: drop, xml: at("50.1", "8.2", ""), want: "drops: inside the box"},
		{name: "drop, outside", config: drop, xml: at("51.1", "8.2", ""), want: "passes"},
		{name: "east of the date line", config: across, xml: at("-0.2", "-179.7", ""), want: `lat="-0.5" lon="-179.5"`},
		{name: "west of it", config: across, xml: at("0.2", "179.7", ""), want: `lat="0.5" lon="179.5"`},
		{name: "the pole", config: strings.NewReplacer("50", "-90", "51", "90").Replace(grid), xml: at("90", "8.99", ""), want: `lat="90" lon="8.95"`},
		{name: "far from it", config: across, xml: at("0.2", "8", ""), want: "passes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := plugintest.Start(t, "plugin.json", plugintest.Config(tt.config))
			v, err := k.Filter(tt.xml)
			if err != nil {
				t.Fatal(err)
			}
			got := v.XML
			switch v.Verdict {
			case sdk.Pass().Verdict:
				got = "passes"
			case sdk.Drop("").Verdict:
				got = "drops: " + v.Reason
			}
			if !strings.Contains(got, tt.want) || tt.without != "" && strings.Contains(got, tt.without) {
				t.Errorf("got %s, want %s without %q", got, tt.want, tt.without)
			}
		})
	}
}

// An instance that dies gives no verdict; the server then drops the event, as the manifest
// says, and the next one is decided by a new instance.
func TestCrash(t *testing.T) {
	k := plugintest.Start(t, "plugin.json", plugintest.Config(grid))
	if f := k.Manifest().Filters[0]; f.Fail != "closed" {
		t.Errorf("the filter fails %s, want closed", f.Fail)
	}
	k.Trap(0)
	if v, err := k.Filter(at("50.123", "8.2101", "")); err == nil {
		t.Errorf("the verdict of an instance that died: %v", v)
	}
	if v, err := k.Filter(at("50.123", "8.2101", "")); err != nil || !strings.Contains(v.XML, point) {
		t.Errorf("the next event: %v, %v", v, err)
	}
}

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct{ config, want string }{
		"none":        {`{}`, "box.south: is missing"},
		"half a box":  {`{"box": {"south": 1, "west": 1, "north": 2}}`, "config.box.east"},
		"upside down": {`{"box": {"south": 2, "west": 1, "north": 1, "east": 2}}`, "its south 2 is north of its north 1"},
		"mode":        {strings.Replace(drop, "drop", "hide", 1), "config.mode"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plugintest.TryStart(t, "plugin.json", plugintest.Config(tt.config))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
