package marti_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

func (f *fakeCore) Kept(id hostapi.ID) (marti.Kept, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.kept[id]
	return e, ok
}

func (f *fakeCore) Archived(ctx context.Context, uid string, id hostapi.ID, sets []hostapi.SetID) (marti.Kept, bool, error) {
	p, err := f.archive.Query(ctx, store.Query{UID: uid, Sets: sets, Limit: 1000})
	if err != nil {
		return marti.Kept{}, false, err
	}
	for _, e := range p.Events {
		if e.ID == id {
			return keep(e.UID, e.Groups, e.XML), true, nil
		}
	}
	return marti.Kept{}, false, nil
}

// keep makes an event that is kept, with the text as its body.
func keep(uid string, groups hostapi.SetID, text string) marti.Kept {
	return marti.Kept{UID: uid, Groups: groups, Body: bodyText(text), Len: int64(len(text))}
}

type bodyText string

func (b bodyText) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(b))
	return int64(n), err
}

// One event by its id: what clients of the TAK protocol fetch that were told of
// an event too long for a frame.
func TestExactEvent(t *testing.T) {
	c := newCrowd(t)
	key := keep("N", 0, "<named/>")
	key.Key = "SECRET"
	c.core.kept = map[hostapi.ID]marti.Kept{1: keep("S/1 ä", c.blue, "<blue/>"), 2: keep("U", c.red, "<red/>"), 3: key}
	old, newer := c.scan("alice", "ANDROID-A", c.blue, sa("A", "ALPHA", 1, 1)), c.scan("alice", "ANDROID-A", c.blue, sa("A", "ALPHA", 2, 2))
	c.store.Archive().Routed([]*hostapi.Event{old, newer})
	c.must(c.store.Archive().Flush(t.Context()))
	const at = "/Marti/api/cot/xml/"

	for _, tt := range []struct {
		name, path string
		d          *device
		want       string // empty: 404
	}{
		{"kept", at + "S%2F1%20%C3%A4?event=1", c.alice, "<blue/>"},
		{"kept, of other groups", at + "S%2F1%20%C3%A4?event=1", c.bob, ""},
		{"kept, of other groups, to an administrator", at + "S%2F1%20%C3%A4?event=1", c.boss, "<blue/>"},
		{"kept, of groups, to nobody", at + "U?event=2", c.at("http"), ""},
		{"kept, under another uid", at + "U?event=1", c.alice, ""},
		{"archived", at + "A?event=" + old.ID.String(), c.alice, old.XML},
		{"archived, the newer one", at + "A?event=" + newer.ID.String(), c.alice, newer.XML},
		{"archived, of other groups", at + "A?event=" + old.ID.String(), c.bob, ""},
		{"archived, under another uid", at + "B?event=" + old.ID.String(), c.alice, ""},
		{"unknown", at + "A?event=12345", c.alice, ""},
		{"by name, with the key", at + "N?event=3&key=SECRET", c.bob, "<named/>"},
		{"by name, with another key", at + "N?event=3&key=SECRET1", c.bob, ""},
		{"by name, without a key", at + "N?event=3", c.bob, ""},
		{"by name, to an administrator", at + "N?event=3", c.boss, "<named/>"},
		{"no key for what has groups", at + "U?event=2&key=", c.alice, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			get, head := tt.d.get(tt.path), tt.d.do(http.MethodHead, tt.path, "")
			head.text("")
			if tt.want == "" {
				get.is(404, "").text("")
				head.is(404, "")
				return
			}
			get.is(200, "application/xml").text(tt.want)
			head.is(200, "application/xml")
			if got := head.header.Get("Content-Length"); got != get.header.Get("Content-Length") || got == "" {
				t.Errorf("length: HEAD tells %q, GET %q", got, get.header.Get("Content-Length"))
			}
		})
	}
	t.Run("by http too", func(t *testing.T) {
		c.core.kept[4] = keep("P", hostapi.AnonSet, "<plain/>")
		c.at("http").get(at+"P?event=4").is(200, "application/xml").text("<plain/>")
	})
	t.Run("what is no id", func(t *testing.T) {
		for _, id := range []string{"x", "-1", "1.5", strings.Repeat("9", 40), "%00"} {
			c.alice.get(at+"A?event="+id).refused(400, "event")
		}
		c.alice.get(at+strings.Repeat("u", 5000)+"?event=1").is(404, "").text("")
		c.alice.get(at+strings.Repeat("u", 5000)+"?event=99").refused(400, "uid")
	})
	t.Run("without one it is the latest", func(t *testing.T) {
		c.alice.get(at+"A?event=").is(200, "application/xml").text(declaration + newer.XML)
	})
}
