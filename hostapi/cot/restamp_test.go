package cot

import (
	"strings"
	"testing"
	"time"
)

func TestRestamp(t *testing.T) {
	now := time.Date(2026, 11, 21, 18, 0, 0, 123456789, time.UTC)
	for _, c := range []struct{ name, in, want string }{
		{"all three",
			`<event time="2020-01-01T00:00:00Z" uid="A" start="2019-12-31T23:59:50.5Z" type="a" stale="2020-01-01T00:01:00+01:00"/>`,
			`<event time="2026-11-21T18:00:00.123Z" uid="A" start="2026-11-21T17:59:50.623Z" type="a" stale="2026-11-21T17:01:00.123Z"/>`},
		{"white space and quotes stay",
			"<event\n uid = 'time=\"x\"'\ttime\r\n=\n'2020-01-01T00:00:00Z' type='>/='  >t</event>",
			"<event\n uid = 'time=\"x\"'\ttime\r\n=\n'2026-11-21T18:00:00.123Z' type='>/='  >t</event>"},
		{"only that of the event",
			`<event uid="A" type="a" time="2020-01-01T00:00:00Z"><x time="2020-01-01T00:00:00Z"/></event>`,
			`<event uid="A" type="a" time="2026-11-21T18:00:00.123Z"><x time="2020-01-01T00:00:00Z"/></event>`},
		{"no time, but a start",
			`<event uid="A" type="a" start="2020-01-01T00:00:00Z" stale="2020-01-01T00:00:01Z"/>`,
			`<event uid="A" type="a" start="2026-11-21T18:00:00.123Z" stale="2026-11-21T18:00:01.123Z"/>`},
		{"no times", `<event uid="A" type="a"/>`, `<event uid="A" type="a"/>`},
		{"a stale without a time to keep its distance from", `<event uid="A" type="a" stale="2020-01-01T00:00:01Z"/>`, `<event uid="A" type="a" stale="2020-01-01T00:00:01Z"/>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var h Header
			if err := Scan(c.in, &h); err != nil {
				t.Fatal(err)
			}
			if got := Restamp(c.in, &h, now, 0); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRestampHolds(t *testing.T) {
	now := time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)
	const in = `<event uid="A" type="a" time="2020-01-01T00:00:00Z" stale="2020-01-01T00:00:30Z"/>`
	for hold, stale := range map[time.Duration]string{
		time.Second:     "2026-11-21T18:00:30Z", // its own is longer
		2 * time.Minute: "2026-11-21T18:02:00Z",
	} {
		var h Header
		if err := Scan(in, &h); err != nil {
			t.Fatal(err)
		}
		want := `<event uid="A" type="a" time="2026-11-21T18:00:00Z" stale="` + stale + `"/>`
		want = strings.ReplaceAll(want, `:00Z"`, `:00.000Z"`)
		want = strings.ReplaceAll(want, `:30Z"`, `:30.000Z"`)
		if got := Restamp(in, &h, now, hold); got != want {
			t.Errorf("hold %v:\ngot  %s\nwant %s", hold, got, want)
		}
	}
}

func FuzzRestamp(f *testing.F) {
	f.Add(`<event time="2020-01-01T00:00:00Z" uid="A" start='2019-12-31T23:59:50.5Z' type="a" stale="2020-01-01T00:01:00Z"/>`)
	f.Add(`<event	uid="A" type = "a&gt;" x='time="2020-01-01T00:00:00Z"' time ="9999-12-31T23:59:59Z" stale="0001-01-01T00:00:00Z"><detail/></event>`)
	now := time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, xml string) {
		var before, after Header
		if Scan(xml, &before) != nil {
			return
		}
		got := Restamp(xml, &before, now, 0)
		if err := Scan(got, &after); err != nil {
			t.Fatalf("%q becomes %q: %v", xml, got, err)
		}
		if before.Time != 0 && after.Time != now.UnixMicro() {
			t.Errorf("%q becomes %q, whose time is %d", xml, got, after.Time)
		}
		if after.UID != before.UID || after.Type != before.Type {
			t.Errorf("%q becomes %q", xml, got)
		}
	})
}
