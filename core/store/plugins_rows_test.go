package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
)

func TestTopics(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		ctx := testContext(t)
		a, b := owner("a"), owner("b")
		anna, bert := TopicMember{User: "anna"}, TopicMember{User: "bert", Client: "*", MayPublish: true}
		carl := TopicMember{Client: "ANDROID-1"}
		w := s.Plugins().Begin()
		if _, err := w.Topic(ctx, a, "m/1"); CodeOf(err) != NotFound {
			t.Errorf("no topic: got error %v", err)
		}
		wantCode(t, "leave none", w.LeaveTopic(ctx, a, "m/1", []TopicMember{anna}), "")
		wantCode(t, "drop none", w.DropTopic(ctx, a, "m/1"), "")
		if w.Staged() {
			t.Error("leaving and dropping what is not there: got something staged")
		}
		wantCode(t, "set", w.SetTopic(ctx, a, "m/1", []TopicMember{bert, anna, anna}), "")
		wantCode(t, "other's, staged", w.SetTopic(ctx, b, "m/1", nil), Conflict)
		wantCode(t, "join", w.JoinTopic(ctx, b, "m/2", []TopicMember{carl}), "")
		wantCode(t, "alias", w.SetAlias(ctx, a, "mission", []string{"m/1", "m/3"}), "")
		wantCode(t, "no alias", w.SetAlias(ctx, a, "none", nil), "")
		c := commit(t, w)
		rev := c.Topics[0].Revision
		want := Committed{
			Topics: []Topic{
				{Plugin: "a", Name: "m/1", Members: []TopicMember{anna, bert}, Revision: rev},
				{Plugin: "b", Name: "m/2", Members: []TopicMember{carl}, Revision: rev},
			},
			Aliases: []Alias{{Plugin: "a", Name: "mission", Topics: []string{"m/1", "m/3"}, Revision: rev}},
		}
		if diff := cmp.Diff(want, c); diff != "" || rev == 0 {
			t.Errorf("committed (-want +got):\n%s", diff)
		}
		closeStore(t, s)
		s = open(t, o)
		stored := func(topics []Topic, aliases []Alias) {
			t.Helper()
			got, err := s.Plugins().Topics(ctx)
			if diff := cmp.Diff(topics, got); diff != "" || err != nil {
				t.Errorf("topics: error %v (-want +got):\n%s", err, diff)
			}
			gotAliases, err := s.Plugins().Aliases(ctx)
			if diff := cmp.Diff(aliases, gotAliases); diff != "" || err != nil {
				t.Errorf("aliases: error %v (-want +got):\n%s", err, diff)
			}
		}
		stored(want.Topics, want.Aliases)

		w = s.Plugins().Begin()
		wantCode(t, "other's, stored", w.JoinTopic(ctx, b, "m/1", nil), Conflict)
		wantCode(t, "other's alias", w.SetAlias(ctx, b, "mission", []string{"m/2"}), Conflict)
		_, err := w.Topic(ctx, b, "m/1")
		wantCode(t, "read other's", err, Forbidden)
		publishes := TopicMember{User: "anna", MayPublish: true}
		wantCode(t, "other rights", w.JoinTopic(ctx, a, "m/1", []TopicMember{publishes, carl}), "")
		wantCode(t, "leave", w.LeaveTopic(ctx, a, "m/1", []TopicMember{{User: "bert", Client: "*"}, {User: "nobody"}}), "")
		wantCode(t, "drop", w.DropTopic(ctx, b, "m/2"), "")
		wantCode(t, "alias goes", w.SetAlias(ctx, a, "mission", nil), "")
		got, err := w.Topic(ctx, a, "m/1")
		if diff := cmp.Diff([]TopicMember{carl, publishes}, got.Members); diff != "" || err != nil {
			t.Errorf("staged members: error %v (-want +got):\n%s", err, diff)
		}
		c = commit(t, w)
		rev = c.Topics[0].Revision
		want = Committed{
			Topics: []Topic{
				{Plugin: "a", Name: "m/1", Members: []TopicMember{carl, publishes}, Revision: rev},
				{Plugin: "b", Name: "m/2", Revision: rev, Dropped: true},
			},
			Aliases: []Alias{{Plugin: "a", Name: "mission", Revision: rev}},
		}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("committed (-want +got):\n%s", diff)
		}
		stored(want.Topics[:1], nil)

		// Two Works change one topic: the second one has to see the first one's members.
		w1, w2 := s.Plugins().Begin(), s.Plugins().Begin()
		for _, w := range []*Work{w1, w2} {
			wantCode(t, "join", w.JoinTopic(ctx, a, "m/1", []TopicMember{{User: "dora"}}), "")
			wantCode(t, "new", w.SetTopic(ctx, a, "m/9", nil), "")
		}
		commit(t, w1)
		_, err = w2.Commit(ctx)
		wantCode(t, "second Work", err, Conflict)
		w = s.Plugins().Begin()
		wantCode(t, "the same once more", w.JoinTopic(ctx, a, "m/1", []TopicMember{{User: "dora"}}), "")
		if w.Staged() {
			t.Error("a member that is there: got something staged")
		}
		for _, m := range []TopicMember{{}, {User: "a\x00"}, {Client: strings.Repeat("c", 513)}} {
			wantCode(t, fmt.Sprintf("member %.20v", m), w.JoinTopic(ctx, a, "m/1", []TopicMember{m}), Invalid)
		}
		wantCode(t, "no name", w.SetTopic(ctx, a, "", nil), Invalid)
		many := make([]TopicMember, maxMembers+1)
		for i := range many {
			many[i].User = fmt.Sprint(i)
		}
		wantCode(t, "too many members", w.SetTopic(ctx, a, "m/1", many), Limit)
		wantCode(t, "as many as can be", w.SetTopic(ctx, a, "m/1", many[1:]), "")
		if got := commit(t, w).Topics[0].Members; len(got) != maxMembers {
			t.Errorf("got %d members, want %d", len(got), maxMembers)
		}
	})
}

func TestTimersCursorsAndNotes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		ctx := testContext(t)
		a, b := owner("a"), owner("b")
		p := s.Plugins()
		if _, err := p.Cursor(ctx, "a"); CodeOf(err) != NotFound {
			t.Errorf("no cursor: got error %v", err)
		}
		due := testTime.Add(1234567 * time.Nanosecond)
		w := p.Begin()
		set := func(o *Owner, timer Timer, want Code) {
			t.Helper()
			wantCode(t, timer.Name, w.SetTimer(o, timer), want)
		}
		set(a, Timer{Plugin: "x", Name: "once", Due: due, Data: []byte("d"), Revision: 99, Cancelled: true}, "")
		set(a, Timer{Name: "repeat", Due: due, Every: 90*time.Second + 7}, "")
		set(a, Timer{Name: "gone", Due: due}, "")
		set(b, Timer{Name: "once", Due: due}, "")
		set(a, Timer{Name: "no time"}, Invalid)
		set(a, Timer{Name: "back", Due: due, Every: -1}, Invalid)
		set(a, Timer{Name: "too often", Due: due, Every: 1}, Invalid)
		set(a, Timer{Name: "much", Due: due, Data: make([]byte, maxNote+1)}, Limit)
		set(a, Timer{Due: due}, Invalid)
		wantCode(t, "cancel", w.CancelTimer(a, "gone"), "")
		wantCode(t, "cursor", w.SetCursor(a, Cursor{ID: 1 << 60, Late: 5}), "")
		for key, value := range map[string][]byte{"k": []byte("v"), "empty": {}, "none": nil} {
			wantCode(t, key, w.SetState(a, key, value), "")
		}
		us := due.Truncate(time.Microsecond)
		once := Timer{Plugin: "a", Name: "once", Due: us, Data: []byte("d")}
		often := Timer{Plugin: "a", Name: "repeat", Due: us, Every: 90 * time.Second, Data: []byte{}}
		others := Timer{Plugin: "b", Name: "once", Due: us, Data: []byte{}}
		equal := cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) })
		got, err := w.Timers(ctx, a)
		if diff := cmp.Diff([]Timer{once, often}, got, equal); diff != "" || err != nil {
			t.Errorf("staged: error %v (-want +got):\n%s", err, diff)
		}
		done := commit(t, w)
		revision := done.Timers[0].Revision
		once.Revision, often.Revision, others.Revision = revision, revision, revision
		want := Committed{Timers: []Timer{{Plugin: "a", Name: "gone", Revision: revision, Cancelled: true}, once, often, others}}
		if diff := cmp.Diff(want, done, equal); diff != "" || revision == 0 {
			t.Errorf("committed (-want +got):\n%s", diff)
		}
		closeStore(t, s)
		s = open(t, o)
		p = s.Plugins()
		got, err = p.Timers(ctx)
		if diff := cmp.Diff([]Timer{once, often, others}, got, equal); diff != "" || err != nil {
			t.Errorf("stored: error %v (-want +got):\n%s", err, diff)
		}
		if c, err := p.Cursor(ctx, "a"); err != nil || c != (Cursor{ID: 1 << 60, Late: 5}) {
			t.Errorf("cursor: got %v, error %v", c, err)
		}
		for key, want := range map[string]string{"k": "v", "empty": ""} {
			if v, err := p.State(ctx, "a", key); err != nil || string(v) != want {
				t.Errorf("note %s: got %q, error %v, want %q", key, v, err, want)
			}
		}
		w = p.Begin()
		wantCode(t, "remove note", w.SetState(a, "k", nil), "")
		wantCode(t, "cancel", w.CancelTimer(a, "once"), "")
		wantCode(t, "set anew", w.SetTimer(a, Timer{Name: "repeat", Due: us.Add(time.Hour)}), "")
		for _, timer := range commit(t, w).Timers {
			if timer.Revision <= revision {
				t.Errorf("timer %s: got revision %d, want one above %d", timer.Name, timer.Revision, revision)
			}
			often.Revision = timer.Revision
		}
		for _, key := range []string{"k", "none"} {
			if _, err := p.State(ctx, "a", key); CodeOf(err) != NotFound {
				t.Errorf("note %s: got error %v, want that there is none", key, err)
			}
		}
		often.Due, often.Every = us.Add(time.Hour), 0
		got, err = p.Timers(ctx)
		if diff := cmp.Diff([]Timer{often, others}, got, equal); diff != "" || err != nil {
			t.Errorf("in the end: error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestDeadLetters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		p := s.Plugins()
		full := DeadLetter{
			Plugin: "a", Version: "1.0.0", At: testTime, Op: "events", Event: hostapi.NewID(testTime, 1, 2), XML: "<event/>",
			Subject: "s", Error: "boom", Output: "stack", Detail: json.RawMessage(`{"a": 1}`),
		}
		id, err := p.AddDeadLetter(ctx, full)
		if err != nil {
			t.Fatal(err)
		}
		full.ID = id
		got, err := p.DeadLetter(ctx, id)
		if diff := cmp.Diff(full, got); diff != "" || err != nil {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
		w := p.Begin()
		if err := w.AddDeadLetter(owner("a"), DeadLetter{Op: "timer", XML: "a\x00\xffb", Error: strings.Repeat("e", 100_000), Detail: json.RawMessage("{")}); err != nil {
			t.Fatal(err)
		}
		commit(t, w)
		if _, err := p.AddDeadLetter(ctx, DeadLetter{Plugin: "b"}); err != nil {
			t.Fatal(err)
		}
		page, err := p.DeadLetters(ctx, "a", 0, 1)
		if err != nil || len(page) != 1 || page[0].Op != "timer" || page[0].XML != "a\uFFFD\uFFFDb" || len(page[0].Error) != letterText || page[0].Detail != nil || page[0].At.IsZero() {
			t.Errorf("newest: got %.300v, error %v", page, err)
		}
		page, err = p.DeadLetters(ctx, "a", page[0].ID, 0)
		if diff := cmp.Diff([]DeadLetter{full}, page); diff != "" || err != nil {
			t.Errorf("next page: error %v (-want +got):\n%s", err, diff)
		}
		if page, err = p.DeadLetters(ctx, "", 0, 0); err != nil || len(page) != 3 || page[0].Plugin != "b" {
			t.Errorf("of all plugins: got %d, error %v, want 3", len(page), err)
		}
		wantCode(t, "remove", p.RemoveDeadLetter(ctx, id), "")
		wantCode(t, "remove again", p.RemoveDeadLetter(ctx, id), NotFound)
		_, err = p.DeadLetter(ctx, id)
		wantCode(t, "read what is gone", err, NotFound)
		_, err = p.DeadLetters(ctx, "a", 0, 1001)
		wantCode(t, "limit", err, Invalid)
		_, err = p.AddDeadLetter(ctx, DeadLetter{})
		wantCode(t, "of no plugin", err, Invalid)
		if u, err := p.Usage(ctx, "a"); err != nil || u.Letters != 1 {
			t.Errorf("usage: got %+v, error %v, want 1 letter", u, err)
		}
	})
}

// TestDeadLettersAreBounded: in number and in bytes, the oldest go.
func TestDeadLettersAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		const most, mostBytes = 250, 1 << 20 // instead of maxLetters and maxLetterBytes
		o := options(t, dsn)
		o.test.letters, o.test.letterBytes = most, mostBytes
		s := open(t, o)
		ctx := testContext(t)
		p := s.Plugins()
		a := owner("a")
		add := func(n int, xml string) {
			t.Helper()
			w := p.Begin()
			for range n {
				if err := w.AddDeadLetter(a, DeadLetter{Op: "events", XML: xml}); err != nil {
					t.Fatal(err)
				}
			}
			commit(t, w)
		}
		letters := func(want int64) {
			t.Helper()
			var n, size, sum int64
			row := p.db.read.DB.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM dead_letters")
			if err := row.Scan(&n, &size); err != nil {
				t.Fatal(err)
			}
			if err := p.db.read.DB.QueryRowContext(ctx, "SELECT letter_bytes FROM plugin_usage").Scan(&sum); err != nil {
				t.Fatal(err)
			}
			if u, err := p.Usage(ctx, "a"); err != nil || n != want || u.Letters != want || sum != size {
				t.Errorf("got %d letters of %d bytes, usage %+v and %d bytes, error %v, want %d", n, size, u, sum, err, want)
			}
		}
		add(most+5, "")
		letters(most)
		newest, err := p.DeadLetters(ctx, "a", 0, 1)
		if err != nil || len(newest) != 1 {
			t.Fatalf("newest: got %d, error %v", len(newest), err)
		}
		if _, err := p.AddDeadLetter(ctx, DeadLetter{Plugin: "a"}); err != nil {
			t.Fatal(err)
		}
		letters(most)
		if _, err := p.DeadLetter(ctx, newest[0].ID-most+1); CodeOf(err) != NotFound {
			t.Errorf("the oldest: got error %v, want that it is gone", err)
		}
		if _, err := p.DeadLetter(ctx, newest[0].ID-most+2); err != nil {
			t.Errorf("the oldest but one: %v", err)
		}
		big := strings.Repeat("x", 128<<10)
		for range mostBytes/len(big) + 1 {
			add(1, big)
		}
		letters(mostBytes/int64(len(big)) - 1) // beside the xml each counts a little
		add(1, strings.Repeat("x", 2*mostBytes))
		letters(1)
	})
}

func TestPluginSettings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		ctx := testContext(t)
		set := func(name string, values map[string]string, want Code) {
			t.Helper()
			wantCode(t, fmt.Sprint(values), s.Plugins().SetSettings(ctx, name, values), want)
		}
		set("a", map[string]string{"enabled": "true", "config.period": `"30s"`, "old": "1"}, "")
		set("b", map[string]string{"enabled": "false"}, "")
		set("a", map[string]string{"enabled": "false", "old": "", "none": ""}, "")
		set("a", map[string]string{"x": "1", "y": "{"}, Invalid)
		set("a", map[string]string{"": "1"}, Invalid)
		set("", map[string]string{"x": "1"}, Invalid)
		closeStore(t, s)
		s = open(t, o)
		want := []PluginSetting{{"a", "config.period", `"30s"`}, {"a", "enabled", "false"}, {"b", "enabled", "false"}}
		stored := func() {
			t.Helper()
			got, err := s.Plugins().Settings(ctx)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		}
		stored()
		wantCode(t, "reset one", s.Plugins().ResetSettings(ctx, "a", "enabled", "none"), "")
		want = []PluginSetting{want[0], want[2]}
		stored()
		wantCode(t, "reset all", s.Plugins().ResetSettings(ctx, "a"), "")
		want = want[1:]
		stored()
	})
}
