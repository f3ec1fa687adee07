package takclient

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Must ends the test when err is not nil: Must(t, a.SA(1, 2)).
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Expect waits, at most DefaultWait, for an event that matches and takes it.
// An event that is in the log already counts, unless it was taken before. When
// none comes the test ends with a list of what came instead.
func (b *Inbox) Expect(t testing.TB, m Match) *Received {
	t.Helper()
	return b.ExpectWithin(t, DefaultWait, m)
}

// ExpectWithin is Expect with its own limit.
func (b *Inbox) ExpectWithin(t testing.TB, limit time.Duration, m Match) *Received {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	r, err := b.Wait(ctx, m)
	if err != nil {
		t.Fatalf("%v (limit %v)\n%s", err, limit, b.Report())
	}
	return r
}

// ExpectUID is Expect with UID.
func (b *Inbox) ExpectUID(t testing.TB, uid string) *Received {
	t.Helper()
	return b.Expect(t, UID(uid))
}

// ExpectType is Expect with Type.
func (b *Inbox) ExpectType(t testing.TB, glob string) *Received {
	t.Helper()
	return b.Expect(t, Type(glob))
}

// ExpectCounts waits, at most DefaultWait, until enough says true; what says
// what is waited for.
func (b *Inbox) ExpectCounts(t testing.TB, what string, enough func(Counts) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), DefaultWait)
	defer cancel()
	if err := b.WaitCounts(ctx, enough); err != nil {
		t.Fatalf("wait for %s: %v\n%s", what, err, b.Report())
	}
}

// ExpectOnlyUntil waits for the marker and takes everything that came before
// it and was not taken yet. The test ends when one of those is not allowed by
// any of the matches; pongs and negotiation, which no client shows its user,
// are always allowed. It returns what it took, without the marker.
func (b *Inbox) ExpectOnlyUntil(t testing.TB, marker Match, allowed ...Match) []*Received {
	t.Helper()
	mark := b.Expect(t, marker)
	var took, wrong []*Received
	for _, r := range b.takeBefore(mark.Seq) {
		if r.isControl() {
			continue
		}
		took = append(took, r)
		if !anyOf(allowed, r) {
			wrong = append(wrong, r)
		}
	}
	if len(wrong) > 0 {
		t.Fatalf("%s: got %d events that should not come before %s:\n%s%s",
			b.name, len(wrong), marker, lines(wrong), b.Report())
	}
	return took
}

func anyOf(ms []Match, r *Received) bool {
	for _, m := range ms {
		if m.matches(r) {
			return true
		}
	}
	return false
}

func (b *Inbox) takeBefore(seq int) []*Received {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rs []*Received
	for i := range seq {
		if !b.taken[i] {
			b.taken[i] = true
			rs = append(rs, b.log[i])
		}
	}
	return rs
}

// reportMax bounds the events that a failure text lists: the last ones.
const reportMax = 25

// Report says in a few lines what the client received, for failure texts.
func (b *Inbox) Report() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s strings.Builder
	c := b.sums()
	fmt.Fprintf(&s, "%s received %d events of %d uids, %d bad; connection ", b.name, c.Events, c.UIDs, c.Bad)
	if b.ended {
		fmt.Fprintf(&s, "ended: %v", b.err)
	} else {
		s.WriteString("open")
	}
	if b.tail > 0 {
		fmt.Fprintf(&s, "; %d bytes of an unfinished event", b.tail)
	}
	if len(b.raw) > 0 {
		fmt.Fprintf(&s, "; bytes %s", clip(string(b.raw), 2000))
	}
	s.WriteString("\n")
	first := max(0, len(b.log)-reportMax)
	if first > 0 {
		fmt.Fprintf(&s, "  … %d before these\n", first)
	}
	for i, r := range b.log[first:] {
		note := ""
		if b.taken[first+i] {
			note = " (taken)"
		}
		fmt.Fprintf(&s, "  %s%s\n", r, note)
	}
	return s.String()
}

func lines(rs []*Received) string {
	var s strings.Builder
	for _, r := range rs[:min(len(rs), reportMax)] {
		fmt.Fprintf(&s, "  %s\n", r)
	}
	return s.String()
}
