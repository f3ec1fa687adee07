package store

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
)

// TestPluginsAgainstModel runs random steps of many Works at once on the store and
// on a model, and compares each answer. Now and then Works are committed as one
// group, or the server dies in the middle of a commit. The same seed must give
// the same answers with both databases.
func TestPluginsAgainstModel(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3} {
		answers := map[string]uint64{}
		storetest.Each(t, func(t *testing.T, dsn string) {
			p := &play{t: t, r: rand.New(rand.NewPCG(seed, 7)), m: newModel(), quota: map[string]int64{}}
			h := fnv.New64a()
			p.out = h
			p.o = options(t, dsn)
			p.o.Log = slog.New(slog.DiscardHandler)
			p.o.Now = func() time.Time { return testTime }
			p.o.test.commitHook = p.hook
			for _, name := range []string{"ant", "bee", "cat"} {
				o := owner(name)
				o.Quota = 300
				p.owners = append(p.owners, o)
				p.quota[name] = o.Quota
			}
			p.s = open(t, p.o)
			for n := range 1200 {
				p.step = n
				p.one()
				if t.Failed() {
					t.Fatalf("seed %d: failed at step %d", seed, n)
				}
			}
			p.compare(p.s, p.m)
			answers[strings.SplitN(dsn, ":", 2)[0]] = h.Sum64()
		})
		if a, b := answers["sqlite"], answers["postgres"]; a != 0 && b != 0 && a != b {
			t.Errorf("seed %d: the databases gave different answers", seed)
		}
	}
}

// play is one run.
type play struct {
	t      *testing.T
	r      *rand.Rand
	o      Options
	s      *Store
	m      *model
	owners []*Owner
	quota  map[string]int64
	works  []*pair
	step   int
	out    io.Writer // takes all answers

	atHook func(committed bool) // of the next commit
}

// pair is a Work on both sides.
type pair struct {
	w    *Work
	m    *modelWork
	mark int // of the last Mark, and what was staged then
	then modelWork
}

func (p *play) hook(committed bool) {
	if p.atHook != nil {
		p.atHook(committed)
	}
}

func (p *play) say(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

func (p *play) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf("step %d: "+format, append([]any{p.step}, args...)...)
}

// same compares the outcome of a step.
func (p *play) same(what string, err error, want Code) {
	p.t.Helper()
	p.say("%s %v", what, CodeOf(err))
	if got := CodeOf(err); got != want || (err == nil) != (want == "") {
		p.fail("%s: got error %v with code %q, want code %q", what, err, got, want)
	}
}

func (p *play) pick(n int) int { return p.r.IntN(n) }

func (p *play) one() {
	switch n := p.pick(100); {
	case n < 6 || len(p.works) == 0:
		if len(p.works) < 5 {
			w := &pair{w: p.s.Plugins().Begin(), m: p.m.begin(p.quota)}
			w.then = w.m.staged()
			p.works = append(p.works, w)
		}
	case n < 12:
		p.commit(1, nil)
	case n < 14:
		p.commit(1+p.pick(len(p.works)), nil)
	case n < 15:
		p.crash()
	default:
		p.change(p.works[p.pick(len(p.works))])
	}
}

// commit commits so many Works, all but the first one as one group.
func (p *play) commit(n int, atHook func(committed bool)) {
	p.r.Shuffle(len(p.works), func(i, j int) { p.works[i], p.works[j] = p.works[j], p.works[i] })
	group := p.works[:n]
	p.works = p.works[n:]
	ctx := testContext(p.t)
	release := holdCommits(p.s)
	p.atHook = atHook
	q := p.s.plugins.queue
	q.mu.Lock()
	took := q.taken
	q.mu.Unlock()
	type result struct {
		i   int
		err error
	}
	results := make(chan result, n)
	started := 0
	for i, w := range group {
		staged := w.w.Staged()
		go func() { _, err := w.w.Commit(ctx); results <- result{i, err} }()
		if !staged {
			continue
		}
		if started++; started == 1 {
			tookWorks(p.t, p.s, took+1)
		} else {
			waiting(p.t, p.s, started-1)
		}
	}
	release()
	errs := make([]error, n)
	for range group {
		r := <-results
		errs[r.i] = r.err
	}
	p.atHook = nil
	for i, w := range group {
		// What was undone leaves nothing to commit, though it was read.
		p.same(fmt.Sprintf("commit %d of %d", i+1, n), errs[i], w.m.commit(len(w.w.journal) > 0))
	}
}

// crash commits a Work while the server dies, and opens the store again without
// the Works that are under way. With SQLite a copy of the files, taken before or
// right after the commit, is what a dead server leaves: it must hold the model of
// that moment. With PostgreSQL all connections break before the commit, which
// takes place all the same.
func (p *play) crash() {
	w := &pair{w: p.s.Plugins().Begin(), m: p.m.begin(p.quota)}
	p.counter(w, p.owners[0])
	p.works = append(p.works, w)
	before, late, done := p.m.clone(), p.pick(2) == 0, false
	dir := p.t.TempDir()
	p.commit(1, func(committed bool) {
		switch {
		case done:
		case !p.s.state.sqlite:
			done = true
			p.s.state.abort()
		case committed == late:
			done = true
			p.copyState(dir)
		}
	})
	if done && p.s.state.sqlite {
		c := *p
		c.o.Dir, c.o.test.commitHook, c.out = dir, nil, io.Discard
		c.s = open(p.t, c.o)
		checkIntegrity(p.t, c.s)
		if late {
			c.compare(c.s, p.m)
		} else {
			c.compare(c.s, before)
		}
		closeStore(p.t, c.s)
	}
	closeStore(p.t, p.s)
	p.s = open(p.t, p.o)
	p.works = nil
	p.compare(p.s, p.m)
}

func (p *play) copyState(dir string) {
	for _, name := range []string{"state.db", "state.db-wal"} {
		b, err := os.ReadFile(filepath.Join(p.o.Dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			p.fail("copy: %v", err)
		}
	}
}

// change does one step of a Work.
func (p *play) change(w *pair) {
	o := p.owners[min(p.pick(5), p.pick(len(p.owners)))] // most for the first one
	switch n := p.pick(100); {
	case n < 30:
		p.put(w, o)
	case n < 38:
		coll, id := p.doc()
		k := docKey{o.Plugin + "/" + coll, id}
		existed, err := w.w.Delete(testContext(p.t), o, coll, id)
		want := w.m.get(k) != nil
		if p.same("delete", err, ""); existed != want {
			p.fail("delete %v: got %v, want %v", k, existed, want)
		}
		if want {
			w.m.docs[k] = nil
		}
	case n < 50:
		p.get(w, o)
	case n < 72:
		p.query(w, o)
	case n < 78:
		p.counter(w, o)
	case n < 88:
		p.topic(w, o)
	case n < 92:
		k := ownedName{o.Plugin, fmt.Sprint(p.pick(3))}
		due := testTime.UnixMicro() + int64(p.pick(1000))
		if p.pick(3) == 0 {
			due = 0
			p.same("cancel", w.w.CancelTimer(o, k.name), "")
		} else {
			p.same("timer", w.w.SetTimer(o, Timer{Name: k.name, Due: time.UnixMicro(due)}), "")
		}
		w.m.timers[k] = due
	case n < 94:
		c := Cursor{ID: hostapi.ID(p.pick(1000)), Late: int64(p.pick(1000))}
		p.same("cursor", w.w.SetCursor(o, c), "")
		w.m.cursors[o.Plugin] = c
	case n < 97:
		w.mark, w.then = w.w.Mark(), w.m.staged()
	default:
		w.w.Undo(w.mark)
		w.m.undo(w.then)
		w.then = w.m.staged()
	}
}

func (p *play) doc() (coll, id string) {
	return []string{"plain", "users", "users"}[p.pick(3)], fmt.Sprintf("%c", 'a'+p.pick(5))
}

func (p *play) put(w *pair, o *Owner) {
	coll, id := p.doc()
	d := modelDoc{body: strings.Repeat("x", p.pick(4)*p.pick(20)), set: hostapi.SetID(p.pick(3)), keys: map[string]string{}}
	var keys []Key
	if coll == "users" {
		if p.pick(3) > 0 {
			keys = append(keys, keyOf(p.t, "name", index.String(fmt.Sprint(p.pick(5)))))
		}
		if p.pick(3) > 0 {
			keys = append(keys, keyOf(p.t, "age", index.Int(int64(p.pick(4)-2))))
		}
	}
	for _, k := range keys {
		d.keys[k.Index] = string(k.Key)
	}
	mustBeNew := p.pick(4) == 0
	err := w.w.Put(testContext(p.t), o, Document{Collection: coll, ID: id, Body: []byte(d.body), Set: d.set}, keys, mustBeNew)
	p.same("put", err, w.m.put(docKey{o.Plugin + "/" + coll, id}, d, mustBeNew))
}

func (p *play) visible() Visible {
	if p.pick(2) == 0 {
		return nil
	}
	return func(set hostapi.SetID) bool { return set == 1 }
}

func (p *play) get(w *pair, o *Owner) {
	coll, first := p.doc()
	_, second := p.doc()
	v := p.visible()
	docs, err := w.w.Get(testContext(p.t), o, coll, []string{first, second}, v)
	p.same("get", err, "")
	want := []string{}
	for _, id := range []string{first, second} {
		if d := w.m.get(docKey{o.Plugin + "/" + coll, id}); d != nil && v.sees(d.set) {
			want = append(want, fmt.Sprintf("%s %s %d", id, d.body, d.set))
		}
	}
	got := []string{}
	for _, d := range docs {
		got = append(got, fmt.Sprintf("%s %s %d", d.ID, d.Body, d.Set))
	}
	p.equal("get", want, got)
}

func (p *play) equal(what string, want, got any) {
	p.t.Helper()
	p.say("%v", got)
	if diff := cmp.Diff(want, got); diff != "" {
		p.fail("%s (-want +got):\n%s", what, diff)
	}
}

func (p *play) query(w *pair, o *Owner) {
	coll, _ := p.doc()
	q := DocQuery{Collection: coll, Descending: p.pick(2) == 0, Limit: 1 + p.pick(5), NoBodies: p.pick(3) == 0, Count: p.pick(5) == 0, Visible: p.visible()}
	if coll == "users" {
		q.Index = []string{"", "name", "age"}[p.pick(3)]
	}
	if p.pick(2) == 0 {
		from, to := p.pick(6), p.pick(7)
		switch q.Index {
		case "":
			q.From, q.To = []byte{byte('a' + from)}, []byte{byte('a' + to)}
		case "name":
			q.From, q.To = keyOf(p.t, "", index.String(fmt.Sprint(from))).Key, keyOf(p.t, "", index.String(fmt.Sprint(to))).Key
		case "age":
			q.From, q.To = keyOf(p.t, "", index.Int(int64(from-3))).Key, keyOf(p.t, "", index.Int(int64(to-3))).Key
		}
	}
	path := o.Plugin + "/" + coll
	for {
		page, err := w.w.Query(testContext(p.t), o, q)
		p.same("query", err, "")
		hits, all := w.m.query(path, q)
		if q.Count {
			p.equal("count", uint64(all), page.Count)
			return
		}
		want, got := []string{}, []string{}
		for _, h := range hits {
			d := w.m.docs[docKey{path, h.id}]
			if d == nil {
				stored := w.m.m.docs[docKey{path, h.id}]
				d = &stored
			}
			body := d.body
			if q.NoBodies {
				body = ""
			}
			want = append(want, fmt.Sprintf("%x %s %s %d", h.key, h.id, body, d.set))
		}
		for _, d := range page.Documents {
			got = append(got, fmt.Sprintf("%x %s %s %d", d.Key, d.ID, d.Body, d.Set))
		}
		p.equal(fmt.Sprintf("query %+v", q), want, got)
		if (page.Next != "") != (all > q.Limit) {
			p.fail("query %+v: got next %q with %d in all", q, page.Next, all)
		}
		if page.Next == "" || p.t.Failed() || q.Index != "" {
			return
		}
		// By id, the next page is that of the ids behind the last one.
		last := page.Documents[len(page.Documents)-1].ID
		q.After = page.Next
		if q.Descending {
			q.To = []byte(last)
		} else {
			q.From = []byte(last + "\x00")
		}
	}
}

func (p *play) counter(w *pair, o *Owner) {
	k := ownedName{o.Plugin, fmt.Sprint(p.pick(2))}
	got, err := w.w.Next(testContext(p.t), o, k.name)
	p.same("next", err, "")
	p.equal("next", w.m.next(k), got)
}

func (p *play) topic(w *pair, o *Owner) {
	ctx := testContext(p.t)
	name := fmt.Sprint("t", p.pick(3))
	var members []TopicMember
	for range p.pick(3) {
		members = append(members, TopicMember{User: fmt.Sprint(p.pick(3)), Client: []string{"", "*"}[p.pick(2)], MayPublish: p.pick(2) == 0})
	}
	put := func(to map[TopicMember]bool) map[TopicMember]bool {
		if to == nil {
			to = map[TopicMember]bool{}
		}
		for _, m := range members {
			to[TopicMember{User: m.User, Client: m.Client}] = m.MayPublish
		}
		return to
	}
	switch p.pick(5) {
	case 0:
		p.same("set topic", w.w.SetTopic(ctx, o, name, members), w.m.change(o.Plugin, name, func(map[TopicMember]bool) map[TopicMember]bool { return put(nil) }))
	case 1:
		p.same("join topic", w.w.JoinTopic(ctx, o, name, members), w.m.change(o.Plugin, name, put))
	case 2:
		p.same("leave topic", w.w.LeaveTopic(ctx, o, name, members), w.m.change(o.Plugin, name, func(was map[TopicMember]bool) map[TopicMember]bool {
			for _, m := range members {
				delete(was, TopicMember{User: m.User, Client: m.Client})
			}
			return was
		}))
	case 3:
		p.same("drop topic", w.w.DropTopic(ctx, o, name), w.m.change(o.Plugin, name, func(map[TopicMember]bool) map[TopicMember]bool { return nil }))
	default:
		got, err := w.w.Topic(ctx, o, name)
		switch t := w.m.topic(name); {
		case t == nil:
			p.same("topic", err, NotFound)
		case t.plugin != o.Plugin:
			p.same("topic", err, Forbidden)
		default:
			p.same("topic", err, "")
			p.equal("topic", t.list(), append([]TopicMember{}, got.Members...))
		}
	}
}

func (t *modelTopic) list() []TopicMember {
	l := []TopicMember{}
	for m, may := range t.members {
		m.MayPublish = may
		l = append(l, m)
	}
	slices.SortFunc(l, compareMembers)
	return l
}

// compare looks at everything that the store holds.
func (p *play) compare(s *Store, m *model) {
	p.t.Helper()
	ctx := context.Background()
	for _, o := range p.owners {
		checkUsage(p.t, s, o.Plugin)
		u, err := s.Plugins().Usage(ctx, o.Plugin)
		if err != nil || u.Bytes != m.bytes(o.Plugin) {
			p.fail("usage of %s: got %+v, error %v, want %d bytes", o.Plugin, u, err, m.bytes(o.Plugin))
		}
		w := &pair{w: s.Plugins().Begin(), m: m.begin(p.quota)}
		for _, q := range []DocQuery{{Collection: "plain"}, {Collection: "users"}, {Collection: "users", Index: "name"}, {Collection: "users", Index: "age"}} {
			q.Limit = 1000
			hits, _ := w.m.query(o.Plugin+"/"+q.Collection, q)
			want := []string{}
			for _, h := range hits {
				want = append(want, h.id)
			}
			p.equal(fmt.Sprintf("all of %s by %q", o.Plugin, q.Index), want, pages(p.t, w.w, o, q))
		}
		for _, name := range []string{"0", "1"} {
			got, err := w.w.Next(ctx, o, name)
			p.same("next", err, "")
			p.equal("counter", m.counters[ownedName{o.Plugin, name}]+1, got)
		}
		c, err := s.Plugins().Cursor(ctx, o.Plugin)
		if want, ok := m.cursors[o.Plugin]; !ok && CodeOf(err) != NotFound || ok && (err != nil || c != want) {
			p.fail("cursor of %s: got %v, error %v, want %v", o.Plugin, c, err, want)
		}
	}
	topics, err := s.Plugins().Topics(ctx)
	p.same("topics", err, "")
	want, got := map[string][]TopicMember{}, map[string][]TopicMember{}
	for name, t := range m.topics {
		want[t.plugin+" "+name] = t.list()
	}
	for _, t := range topics {
		got[t.Plugin+" "+t.Name] = append([]TopicMember{}, t.Members...)
	}
	p.equal("topics", want, got)
	timers, err := s.Plugins().Timers(ctx)
	p.same("timers", err, "")
	due := map[ownedName]int64{}
	for _, t := range timers {
		due[ownedName{t.Plugin, t.Name}] = t.Due.UnixMicro()
	}
	p.equal("timers", m.timers, due)
}
