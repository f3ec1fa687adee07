package web

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// fakeAudiences has sets that intersect when they are equal, one callsign and
// one topic.
type fakeAudiences struct{}

func (fakeAudiences) Intersects(a, b hostapi.SetID) bool { return a == b }

func (fakeAudiences) Holds(client string, callsigns, topics []string) bool {
	return client == "UID-eve" && (strings.Contains(strings.Join(callsigns, " "), "EVE") || strings.Contains(strings.Join(topics, " "), "mission"))
}

func newUpdates(log *logBuffer) *Updates {
	return NewUpdates(fakeAudiences{}, slog.New(slog.NewTextHandler(log, nil)))
}

// drained gives what waits for a reader, one line each.
func drained(t *testing.T, r *updateReader) (lines []string) {
	t.Helper()
	err := r.drain(func(p push) error {
		lines = append(lines, strings.TrimSpace(p.kind+" "+p.stream+" "+string(p.data)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestUpdateAudience(t *testing.T) {
	to := func(set hostapi.SetID) (up call.Update) { up.To.Groups = set; return up }
	uid, callsign, topic, both, nobody := to(0), to(0), to(0), to(2), to(0)
	uid.To.UIDs = []string{"UID-bob", "UID-eve"}
	callsign.To.Callsigns = []string{"EVE"}
	topic.To.Topics = []string{"mission"}
	both.To.UIDs = []string{"UID-eve"}
	for _, c := range []struct {
		name   string
		up     call.Update
		reader *wire.Caller
		want   bool
	}{
		{"group", to(3), &wire.Caller{OutSet: 3}, true},
		{"other group", to(3), &wire.Caller{OutSet: 2, InSet: 3}, false},
		{"admin in another group", to(3), &wire.Caller{OutSet: 2, Roles: []string{"admin"}}, true},
		{"uid", uid, &wire.Caller{Client: "UID-eve"}, true},
		{"other uid", uid, &wire.Caller{Client: "UID-joe"}, false},
		{"uid, somebody without a client", uid, &wire.Caller{User: "UID-eve"}, false},
		{"uid, admin", uid, &wire.Caller{Roles: []string{"admin"}}, true},
		{"callsign", callsign, &wire.Caller{Client: "UID-eve"}, true},
		{"other callsign", callsign, &wire.Caller{Client: "UID-bob"}, false},
		{"topic", topic, &wire.Caller{Client: "UID-eve"}, true},
		{"uid outside of the groups", both, &wire.Caller{Client: "UID-eve", OutSet: 3}, false},
		{"uid inside of the groups", both, &wire.Caller{Client: "UID-eve", OutSet: 2}, true},
		{"nobody", nobody, &wire.Caller{OutSet: 1}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUpdates(newLogBuffer())
			r := u.watch(c.reader, nil)
			defer u.drop(r)
			c.up.Stream, c.up.Data = "s", []byte("1")
			u.Publish([]call.Update{c.up})
			if got := len(drained(t, r)) == 1; got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestUpdateQueue(t *testing.T) {
	log := newLogBuffer()
	u := newUpdates(log)
	admin := &wire.Caller{Roles: []string{AdminRole}}
	all, some := u.watch(admin, nil), u.watch(admin, []string{"chat", "geo.*"})
	publish := func(stream, event, key, data string) {
		u.Publish([]call.Update{{Plugin: "p", Stream: stream, Event: event, Key: key, Data: []byte(data)}})
	}
	publish("chat", "message", "", `{"n": 1}`)
	publish("geo.a", "", "U", `1`)
	publish("emergency", "", "U", `2`)
	publish("geo.a", "", "V", "[\n3\n]")
	publish("geo.a", "", "U", `4`)
	publish("geo.a", "", "", `5`)
	publish("chat", "bad\nname", "", `6`)
	publish("chat", "", "", `{`)
	want := []string{`message chat {"n":1}`, "geo.a geo.a 4", "emergency emergency 2", "geo.a geo.a [3]", "geo.a geo.a 5", "badname chat 6"}
	if diff := cmp.Diff(want, drained(t, all)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{want[0], want[1], want[3], want[4], want[5]}, drained(t, some)); diff != "" {
		t.Errorf("some (-want +got):\n%s", diff)
	}
	log.await(t, "it is no JSON")
	publish("geo.a", "", "U", `7`) // the queued one is gone: this is a new one
	if diff := cmp.Diff([]string{"geo.a geo.a 7"}, drained(t, all)); diff != "" {
		t.Errorf("after draining (-want +got):\n%s", diff)
	}
}

func TestUpdateOverflow(t *testing.T) {
	u := newUpdates(newLogBuffer())
	r := u.watch(&wire.Caller{Roles: []string{AdminRole}}, nil)
	for i := range updatesKept + 10 {
		u.Publish([]call.Update{{Stream: "s", Data: fmt.Append(nil, i), Key: fmt.Sprint(i % (updatesKept + 5))}})
	}
	got := drained(t, r)
	// Five keys too many push out the first five, which come again at the end.
	if len(got) != updatesKept+1 || got[0] != `lagging  {"missed":10}` || got[1] != "s s 10" || got[updatesKept] != fmt.Sprintf("s s %d", updatesKept+9) {
		t.Errorf("got %d: %q %q … %q", len(got), got[0], got[1], got[len(got)-1])
	}
	large := []byte(`"` + strings.Repeat("x", updatesBytes/2) + `"`)
	for range 3 {
		u.Publish([]call.Update{{Stream: "s", Data: large}})
	}
	if got := drained(t, r); len(got) != 2 || got[0] != `lagging  {"missed":2}` {
		t.Errorf("got %d of three large ones", len(got))
	}
	for _, data := range [][]byte{[]byte("1"), large} {
		for key := range 3 {
			u.Publish([]call.Update{{Stream: "s", Data: data, Key: fmt.Sprint(key)}})
		}
	}
	if got := drained(t, r); len(got) != 2 || got[0] != `lagging  {"missed":2}` {
		t.Errorf("got %d of three small ones that large ones replaced", len(got))
	}
}

func TestUpdatesClose(t *testing.T) {
	u := newUpdates(newLogBuffer())
	r := u.watch(&wire.Caller{}, nil)
	u.Close()
	u.Close()
	<-r.done
	<-u.watch(&wire.Caller{}, nil).done
	u.drop(r)
	u.Publish([]call.Update{{Stream: "s"}})
}
