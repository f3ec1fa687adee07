package route

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/takhost/takhost/hostapi"
)

func dampBed(t *testing.T) *bed {
	b := &bed{T: t}
	b.Router = New(Options{IDs: NewIDs(1, 0, time.Now), Groups: NewGroups(nil, nil), Now: time.Now, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil))})
	b.now = time.Now()
	return b
}

func TestReconnectStormWaitsAndTheNewestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := dampBed(t)
		defer b.Close()
		watcher := b.client("W", "WATCH", Who{})
		for i := range freeJoins {
			u := b.client("X", "XRAY", Who{})
			b.got(watcher, "a-f-G-U-C X")
			u.Leave()
			if got := watcher.takeEvents(); len(got) != 1 || got[0].Type != "t-x-d-d" {
				t.Fatalf("join %d: leaving gives %v", i, got)
			}
		}
		// From here on each has to wait. Three come at once: only the last counts.
		var users []*user
		for range 3 {
			u := b.join(Who{})
			u.uid, u.callsign = "X", "XRAY"
			users = append(users, u)
			go u.sa()
			synctest.Wait()
			b.got(watcher)
		}
		time.Sleep(longestWait)
		synctest.Wait()
		b.got(watcher, "a-f-G-U-C X")
		for i, u := range users {
			if closed := u.closed != ""; closed != (i < 2) {
				t.Errorf("connection %d closed: %q", i, u.closed)
			}
		}
		// After a quiet time it is a client like others.
		users[2].Leave()
		watcher.take()
		time.Sleep(joinWindow + time.Second)
		b.client("X", "XRAY", Who{})
		b.got(watcher, "a-f-G-U-C X")
	})
}

func TestTooManyConnectionsOfOneClientCloseTheOldest(t *testing.T) {
	b := newBed(t)
	var users []*user
	for range maxSessions + 1 {
		users = append(users, b.client("X", "XRAY", Who{}))
	}
	for i, u := range users {
		if closed := u.closed != ""; closed != (i == 0) {
			t.Errorf("connection %d closed: %q", i, u.closed)
		}
	}
}

func TestJoinCountsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := dampBed(t)
		defer b.Close()
		for round := range 3 {
			for i := range maxJoinKeys {
				b.damp(&Session{r: b.Router}, &hostapi.Event{Header: headerOf(fmt.Sprint(round, "-", i))})
			}
			time.Sleep(2 * joinWindow)
		}
		if n := len(b.joins); n > 2*maxJoinKeys {
			t.Errorf("%d join counts are kept", n)
		}
	})
}

func TestWhoIsCutWhileItWaitsDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := dampBed(t)
		defer b.Close()
		watcher := b.client("W", "WATCH", Who{})
		for range freeJoins {
			b.client("X", "XRAY", Who{}).Leave()
		}
		watcher.take()
		u := b.join(Who{})
		u.uid, u.callsign = "X", "XRAY"
		go u.sa()
		synctest.Wait()
		b.Cut(func(w Who) bool { return w.Conn == u.who.Conn }, "revoked")
		time.Sleep(longestWait)
		synctest.Wait()
		b.got(watcher)
		if list := b.Clients(nil); len(list) != 1 {
			t.Errorf("clients: %+v", list)
		}
	})
}
