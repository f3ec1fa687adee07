// Command tally is the plugin that proves that a swap loses nothing. The events
// of the tests carry a number, which for each uid rises by one from 1 on; tally
// keeps the latest number of each uid, and notes each one that does not follow.
//
// The numbers are in the instance's memory, and cross from version to version in
// the snapshot; or each event becomes a document, and memory means nothing.
package main

import (
	"strconv"
	"strings"

	"github.com/takhost/takhost/sdk"
)

func init() {
	sdk.Register(func() *sdk.Plugin {
		t := &tally{latest: map[string]*int64{}}
		return &sdk.Plugin{
			Name: "tally", Init: t.init, Health: t.health, Batch: t.batch, Snapshot: t.snapshot, Restore: t.restore,
			HTTP: map[string]sdk.Handler{"proof": t.proof},
		}
	})
}

func main() { sdk.Main() }

type tally struct {
	fault  string
	stores bool

	latest      map[string]*int64 // of each uid; to set a key anew would keep the memory of the call
	total       int64
	lost, twice int64
	first       string // the first fault

	batches int     // of this instance
	waited  bool    // the first batch of this instance has come
	pauses  []int64 // µs that the oldest event of each instance's first batch had waited
	longest int64   // µs that any event had waited
}

func (t *tally) init(c *sdk.Call, _ *sdk.Start) error {
	in := c.Config()
	t.fault, t.stores = in.Text("fault"), in.Text("keep") == "store"
	if err := in.Err(); err != nil {
		return err
	}
	switch t.fault {
	case "init":
		return sdk.Failedf("this version does not start")
	case "init loop":
		loop()
	case "init trap":
		trap()
	}
	return nil
}

func (t *tally) health(*sdk.Call) error {
	switch t.fault {
	case "health":
		return sdk.Failedf("this version is not well")
	case "health loop":
		loop()
	}
	return nil
}

func (t *tally) batch(c *sdk.Call, b sdk.Batch) error {
	if t.batches++; t.fault == "events" || t.fault == "later" && t.batches > 3 {
		trap()
	}
	now := c.Now().UnixMicro()
	for i, e := range b.All() {
		waited := now - e.Recv()
		if i == 0 && !t.waited {
			t.waited = true
			t.pauses = append(t.pauses, waited)
		}
		t.longest = max(t.longest, waited)
		number, _ := e.Detail().Root().Child("tally").Attr("n")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return sdk.Invalidf("event %s has no number: %v", e.UID(), err)
		}
		if t.stores {
			err = t.store(c, e.UID(), n)
		} else {
			t.count(e.UID(), n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count keeps the number in memory.
func (t *tally) count(uid string, n int64) {
	t.total++
	latest := t.latest[uid]
	if latest == nil {
		latest = new(int64)
		t.latest[strings.Clone(uid)] = latest
	}
	before := *latest
	*latest = n
	if n == before+1 {
		return
	}
	if n > before {
		t.lost += n - before - 1
	} else {
		t.twice++
	}
	if t.first == "" {
		t.first = sdk.Format("%s: %d came after %d", uid, n, before)
	}
}

// store makes the event a document. The one before must be there, and it must not.
func (t *tally) store(c *sdk.Call, uid string, n int64) error {
	seen := c.Collection("seen")
	id, before := name(uid, n), name(uid, n-1)
	there, err := seen.GetAll(id, before)
	if err != nil {
		return err
	}
	follows, twice := n == 1, false
	for _, d := range there {
		follows = follows || d.ID == before
		twice = twice || d.ID == id
	}
	switch {
	case twice:
		return c.Collection("faults").Put(id, []byte("came twice"))
	case !follows: // it is counted all the same
		if err := c.Collection("faults").Put(id, []byte("came without the one before")); err != nil {
			return err
		}
	}
	return seen.New(id, []byte(c.Start().Version))
}

func name(uid string, n int64) string { return uid + "/" + strconv.FormatInt(n, 10) }

func (t *tally) proof(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	total, lost, twice, first := t.total, t.lost, t.twice, t.first
	if t.stores {
		var err error
		if total, err = c.Collection("seen").Query().Count(); err != nil {
			return err
		}
		for d, err := range c.Collection("faults").Query().All() {
			if err != nil {
				return err
			}
			if first == "" {
				first = d.ID + " " + string(d.Body)
			}
			if string(d.Body) == "came twice" {
				twice++
			} else {
				lost++
			}
		}
	}
	j := w.JSON().Object().Key("version").Text(c.Start().Version).Key("total").Int(total).Key("uids").Int(int64(len(t.latest))).
		Key("lost").Int(lost).Key("twice").Int(twice).Key("fault").Text(first).Key("longest").Int(t.longest).Key("pauses").Array()
	for _, p := range t.pauses {
		j.Int(p)
	}
	return nil
}

// Keys of the snapshot: those of uids begin with a sign of their own.
const ofUID = "@"

func (t *tally) snapshot(*sdk.Call) ([]sdk.SnapshotEntry, error) {
	entries := make([]sdk.SnapshotEntry, 0, len(t.latest)+6)
	add := func(key, value string) {
		entries = append(entries, sdk.SnapshotEntry{Key: []byte(key), Value: []byte(value)})
	}
	for uid, n := range t.latest {
		add(ofUID+uid, strconv.FormatInt(*n, 10))
	}
	for key, n := range map[string]int64{"total": t.total, "lost": t.lost, "twice": t.twice, "longest": t.longest} {
		add(key, strconv.FormatInt(n, 10))
	}
	add("first", t.first)
	for _, p := range t.pauses {
		add("pause", strconv.FormatInt(p, 10))
	}
	return entries, nil
}

func (t *tally) restore(_ *sdk.Call, s *sdk.Snapshot) error {
	switch t.fault {
	case "restore":
		return sdk.Failedf("this version does not know that state")
	case "restore trap":
		trap()
	case "restore loop":
		loop()
	}
	for _, e := range s.Entries {
		key := string(e.Key)
		if key == "first" {
			t.first = string(e.Value)
			continue
		}
		n, err := strconv.ParseInt(string(e.Value), 10, 64)
		if err != nil {
			return sdk.Invalidf("snapshot: %s: %v", key, err)
		}
		uid, isUID := strings.CutPrefix(key, ofUID)
		switch {
		case isUID:
			t.latest[uid] = &n
		case key == "total":
			t.total = n
		case key == "lost":
			t.lost = n
		case key == "twice":
			t.twice = n
		case key == "longest":
			t.longest = n
		case key == "pause":
			t.pauses = append(t.pauses, n)
		}
	}
	return nil
}

// loop never ends.
func loop() {
	for turns := 0; ; turns++ {
		keep(turns)
	}
}

//go:noinline
func keep(int) {}

// trap ends the instance: what panics on another goroutine nothing can recover.
func trap() {
	done := make(chan bool)
	go func() {
		defer close(done)
		panic("an author's mistake")
	}()
	<-done
}
