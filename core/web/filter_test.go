package web

import (
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
)

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text string
		want time.Time // zero: an error
	}{
		{"2026-11-21T18:00:00Z", now},
		{"2026-11-21T19:00:00.5+01:00", now.Add(500 * time.Millisecond)},
		{"now", now},
		{"15m", now.Add(-15 * time.Minute)},
		{"15m ago", now.Add(-15 * time.Minute)},
		{" 2h30m ago ", now.Add(-150 * time.Minute)},
		{"7d", now.AddDate(0, 0, -7)},
		{"1d12h ago", now.Add(-36 * time.Hour)},
		{"0", now},
		{"", time.Time{}},
		{"ago", time.Time{}},
		{"-5m", time.Time{}},
		{"1d-5m", time.Time{}},
		{"99999d", time.Time{}},
		{"60000d2562047h", time.Time{}}, // more than a span can hold
		{"tomorrow", time.Time{}},
		{"2026-11-21", time.Time{}},
		{strings.Repeat("9", 1000), time.Time{}},
	} {
		t.Run(c.text, func(t *testing.T) {
			got, err := ParseWhen(c.text, now)
			if (err != nil) != c.want.IsZero() || err == nil && !got.Equal(c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
			if err != nil && len(err.Error()) > 250 {
				t.Errorf("error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestFilter(t *testing.T) {
	at := func(uid, typ string, lat, lon float64) *cot.Header {
		return &cot.Header{UID: uid, Type: typ, Lat: lat, Lon: lon, Flags: cot.HasPoint}
	}
	for _, c := range []struct {
		name  string
		uid   string
		types []string
		box   string
		h     *cot.Header
		want  bool
	}{
		{"nothing asked", "", nil, "", &cot.Header{}, true},
		{"uid", "A", nil, "", at("A", "x", 0, 0), true},
		{"other uid", "A", nil, "", at("a", "x", 0, 0), false},
		{"type", "", []string{"b-t-f"}, "", at("", "b-t-f", 0, 0), true},
		{"longer type", "", []string{"b-t-f"}, "", at("", "b-t-f-d", 0, 0), false},
		{"prefix", "", []string{"a-f-*"}, "", at("", "a-f-G-U-C", 0, 0), true},
		{"prefix alone", "", []string{"a-f-*"}, "", at("", "a-f-", 0, 0), true},
		{"other prefix", "", []string{"a-f-*"}, "", at("", "a-h-G", 0, 0), false},
		{"star in the middle", "", []string{"a-*-G"}, "", at("", "a-f-G-G", 0, 0), true},
		{"star in the middle, other end", "", []string{"a-*-G"}, "", at("", "a-f-G-U", 0, 0), false},
		{"parts must not overlap", "", []string{"a-*-a"}, "", at("", "a-a", 0, 0), false},
		{"several stars", "", []string{"*-f-*-C"}, "", at("", "a-f-G-U-C", 0, 0), true},
		{"star alone", "", []string{"*"}, "", at("", "t-x", 0, 0), true},
		{"one of several", "", []string{"b-*", "a-h-*"}, "", at("", "a-h-G", 0, 0), true},
		{"in the box", "", nil, "10,20,30,40", at("", "", 10, 40), true},
		{"north of it", "", nil, "10,20,30,40", at("", "", 30.1, 30), false},
		{"west of it", "", nil, "10,20,30,40", at("", "", 20, 19), false},
		{"across the date line", "", nil, "-10,170,10,-170", at("", "", 0, -175), true},
		{"across the date line, outside", "", nil, "-10,170,10,-170", at("", "", 0, 0), false},
		{"no point, but a box", "", nil, "-10,-10,10,10", &cot.Header{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := NewFilter(c.uid, c.types, c.box)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Pass(c.h); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestBadFilter(t *testing.T) {
	for _, c := range []struct {
		name  string
		types []string
		box   string
		want  string
	}{
		{"empty type", []string{""}, "", `type: "" is no CoT type`},
		{"type with a space", []string{"a f"}, "", `type: "a f" is no CoT type`},
		{"long type", []string{strings.Repeat("a", 129)}, "", "is no CoT type"},
		{"many types", make([]string, 65), "", "type: 65 types are too many"},
		{"three numbers", nil, "1,2,3", "box: \"1,2,3\" is no box"},
		{"words", nil, "a,b,c,d", `"a" is not a number from -90 to 90`},
		{"not a number", nil, "0,NaN,1,1", `"NaN" is not a number from -180 to 180`},
		{"too far north", nil, "0,0,91,0", `"91" is not a number`},
		{"infinite", nil, "0,-Inf,1,0", "is not a number"},
		{"upside down", nil, "5,0,4,0", "south is north of its north"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewFilter("", c.types, c.box)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
