package tests

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// worlds bounds how many random worlds a run has; each is a server's life of half
// a second. -rapid.checks on the command line takes its place.
const worlds = 8

// checks sets how often rapid runs a property, unless the command line does.
func checks(t *testing.T, n int) {
	t.Helper()
	byHand := false
	flag.Visit(func(f *flag.Flag) { byHand = byHand || f.Name == "rapid.checks" })
	f := flag.Lookup("rapid.checks")
	if byHand || f == nil {
		return
	}
	was := f.Value.String()
	takclient.Must(t, f.Value.Set(fmt.Sprint(n)))
	t.Cleanup(func() { takclient.Must(t, f.Value.Set(was)) })
}

// eventuallyOr asks again and again until ok says true or time is up.
func eventuallyOr(t *testing.T, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(takclient.DefaultWait / 2)
	defer limit.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit.C:
			return
		}
	}
}

// memberships draws some of the groups, each in a direction or both.
func memberships(groups []string) *rapid.Generator[[]admin.Membership] {
	return rapid.Custom(func(t *rapid.T) []admin.Membership {
		list := []admin.Membership{}
		for _, g := range groups {
			if how := rapid.IntRange(0, 5).Draw(t, g); how < 3 {
				in, out := how != 1, how != 2
				list = append(list, admin.Membership{Group: g, In: &in, Out: &out})
			}
		}
		return list
	})
}

// Users of different groups see nothing of each other, and those who share one
// see all: on streams, in the latest positions, when somebody leaves, by REST, in
// the archive and in what plugins keep. Groups change while all are connected.
func TestGroupsKeepApartAndTogether(t *testing.T) {
	srv, _ := startFeatures(t, noRepeat, taktest.WithListeners("tls", "https", "web"), taktest.WithPublic(publicName))
	checks(t, worlds)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		w := &world{t: t, srv: srv, name: fmt.Sprint(n), sent: map[string]*sent{}}
		begun := time.Now()
		var groups []string
		for _, g := range []string{"A", "B", "C"} {
			groups = append(groups, fmt.Sprintf("%s-%d", g, n))
		}
		addGroups(t, srv.Admin, groups...)
		some := memberships(append(groups, anonGroup))
		for range 4 {
			w.add(rapid.IntRange(0, 7).Draw(rt, "readonly") == 0, some.Draw(rt, "groups"))
		}
		defer func() {
			for _, p := range w.there() {
				p.client.Close()
			}
			waitForConnections(t, srv.Admin, 0)
		}()
		anybody := func(rt *rapid.T, list []*person) *person {
			if len(list) == 0 {
				rt.Skip("nobody is there")
			}
			return list[rapid.IntRange(0, len(list)-1).Draw(rt, "who")]
		}
		away := func() (list []*person) {
			for _, p := range w.people {
				if p.client == nil {
					list = append(list, p)
				}
			}
			return list
		}
		protos := []takclient.Option{takclient.WithProto()}
		for _, p := range w.people {
			w.connect(p, protos[:rapid.IntRange(0, 1).Draw(rt, "protobuf")]...)
			w.position(p)
		}
		for range rapid.IntRange(6, 14).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"position", "chat", "alarm", "regroup", "regroup", "leave", "come"}).Draw(rt, "step") {
			case "position":
				if len(w.there()) > 0 {
					w.position(anybody(rt, w.there()))
				}
			case "chat":
				if p := anybodyWith(rt, w.there()); p != nil {
					w.chat(p)
				}
			case "alarm":
				if p := anybodyWith(rt, w.there()); p != nil {
					w.alarm(p)
				}
			case "regroup":
				w.regroup(anybody(rt, w.people), some.Draw(rt, "groups"))
			case "leave":
				if len(w.there()) > 0 {
					w.disconnect(anybody(rt, w.there()))
				}
			case "come":
				if len(away()) > 0 {
					w.connect(anybody(rt, away()))
				}
			}
			if err := w.check(); err != nil {
				rt.Fatal(err)
			}
		}
		if err := w.checkREST(begun); err != nil {
			rt.Fatal(err)
		}
	})
}

// anybodyWith gives somebody who has told where he is: clients say nothing else
// before.
func anybodyWith(rt *rapid.T, list []*person) *person {
	var told []*person
	for _, p := range list {
		if p.latest != "" {
			told = append(told, p)
		}
	}
	if len(told) == 0 {
		return nil
	}
	return told[rapid.IntRange(0, len(told)-1).Draw(rt, "who")]
}
