package takclient

import (
	"context"
	"errors"
	"testing"
	"time"
)

// logged gives an inbox with an event of each uid.
func logged(uids ...string) *Inbox {
	b := NewInbox("B")
	for _, uid := range uids {
		b.AddXML("\n"+simple(uid), time.Now())
	}
	return b
}

func TestExpectTakes(t *testing.T) {
	b := logged("1", "2", "1", "1")
	for _, want := range []int{0, 2, 3} {
		if got := b.ExpectUID(t, "1").Seq; got != want {
			t.Errorf("got event %d, want %d", got, want)
		}
	}
	b.End(errors.New("over"))
	text := failure(t, func(t testing.TB) { b.ExpectUID(t, "1") })
	wantTexts(t, text, `wait for uid "1"`, "connection ended: over", "4 events of 2 uids", `#1`, `uid="2"`, "(taken)")
}

func TestExpectTimesOut(t *testing.T) {
	b := logged("1")
	text := failure(t, func(t testing.TB) { b.ExpectWithin(t, time.Millisecond, Type("b-t-f*").Or(Callsign("X"))) })
	wantTexts(t, text, `type b-t-f* or callsign "X"`, "deadline exceeded", "connection open", `a-f-G uid="1"`)
}

func TestWaitWakes(t *testing.T) {
	b := logged()
	got := make(chan *Received)
	go func() {
		r, err := b.Wait(context.Background(), Any())
		if err != nil {
			t.Errorf("wait: %v", err)
		}
		got <- r
	}()
	b.AddXML(simple("late"), time.Now())
	if r := <-got; r == nil || r.Header.UID != "late" {
		t.Errorf("got %v, want the event that came", r)
	}
}

func TestBadEventsMatchNothing(t *testing.T) {
	b := NewInbox("B")
	b.AddXML(`<event uid="1" type="a-b"></x>`, time.Now())
	if n := b.Count(Any()); n != 0 {
		t.Errorf("got %d matches of a malformed event, want none", n)
	}
	if got := b.Counts(); got.Bad != 1 || got.Events != 0 {
		t.Errorf("got %+v, want one bad event", got)
	}
	wantTexts(t, b.Report(), "1 bad", "BAD", "malformed")
}

func TestExpectOnlyUntil(t *testing.T) {
	marker := UID("mark")
	t.Run("allowed", func(t *testing.T) {
		b := logged("1", "takPong", "2", "mark", "later")
		b.ExpectUID(t, "1")
		took := b.ExpectOnlyUntil(t, marker, UID("2"), UID("takPong"))
		if len(took) != 2 || took[1].Header.UID != "2" {
			t.Errorf("got %v, want what came before the marker and was not taken", took)
		}
		b.ExpectUID(t, "later")
	})
	t.Run("control messages", func(t *testing.T) {
		b := NewInbox("B")
		b.AddXML(pong(), time.Now())
		b.AddXML(Event{UID: "n", Type: typeOffer, How: "m-g"}.XML(), time.Now())
		b.AddXML(simple("mark"), time.Now())
		if took := b.ExpectOnlyUntil(t, marker); len(took) != 0 {
			t.Errorf("got %v, want nothing", took)
		}
	})
	t.Run("not allowed", func(t *testing.T) {
		b := logged("1", "2", "mark")
		text := failure(t, func(t testing.TB) { b.ExpectOnlyUntil(t, marker, UID("1")) })
		wantTexts(t, text, "got 1 events that should not come", `uid="2"`)
	})
	t.Run("malformed", func(t *testing.T) {
		b := NewInbox("B")
		b.AddXML("<event></b>", time.Now())
		b.AddXML(simple("mark"), time.Now())
		text := failure(t, func(t testing.TB) { b.ExpectOnlyUntil(t, marker, Any()) })
		wantTexts(t, text, "got 1 events that should not come", "BAD")
	})
}

func TestNever(t *testing.T) {
	r := newRelay(t)
	a, b, c := r.joined(t), r.joined(t), r.joined(t)
	Must(t, a.Send(simple("secret")))
	b.ExpectUID(t, "secret")
	b.Never(t, UID("secret"), a) // the one that came was taken
	text := failure(t, func(t testing.TB) { c.Never(t, UID("secret"), a) })
	wantTexts(t, text, `1 events with uid "secret", want none`)
	text = failure(t, func(t testing.TB) { c.Quiet(t, a) })
	wantTexts(t, text, "should not come before", `uid="secret"`)
	a.Never(t, UID("secret"), b)
	Fence(t, a, b, c)
	a.Close()
	text = failure(t, func(t testing.TB) { b.Never(t, UID("secret"), a) })
	wantTexts(t, text, "send the marker")
}

func TestReportIsBounded(t *testing.T) {
	b := NewInbox("B")
	for range 1000 {
		b.AddXML(simple("u"), time.Now())
	}
	if got := b.Report(); len(got) > 5000 {
		t.Errorf("got a report of %d bytes, want the last events only", len(got))
	}
	wantTexts(t, b.Report(), "975 before these", "#999")
}
