package tests

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// 300 clients connect and report their position at once, half of them in
// protobuf. Each sees every other, by the replay or live, and nobody twice.
func TestClientsThatJoinAtOnceAllSeeEachOther(t *testing.T) {
	const n = 300
	srv := taktest.Start(t)
	addr := srv.Addr("tcp")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	clients := make([]*takclient.Client, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			opts := []takclient.Option{takclient.WithUID(fmt.Sprintf("JOIN-%03d", i)), takclient.WithoutLog()}
			if i%2 == 1 {
				opts = append(opts, takclient.WithProto())
			}
			<-begin
			if clients[i], errs[i] = takclient.Connect(ctx, addr, opts...); errs[i] == nil {
				errs[i] = clients[i].SA(float64(i)/10, 0)
			}
		})
	}
	began := time.Now()
	close(begin)
	wg.Wait()
	t.Cleanup(func() {
		for _, c := range clients {
			if c != nil {
				c.Close()
			}
		}
	})
	for i, err := range errs {
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	seesOthers := func(i int) (missing int) {
		for k, other := range clients {
			if i != k && clients[i].CountUID(other.UID()) == 0 {
				missing++
			}
		}
		return missing
	}
	for i, c := range clients {
		// n-1 others and the offer; the odd ones have the answer with its uid.
		if err := c.WaitCounts(ctx, func(k takclient.Counts) bool { return k.UIDs >= n }); err != nil {
			t.Fatalf("client %d: %d of %d others not seen: %v", i, seesOthers(i), n-1, err)
		}
		if missing := seesOthers(i); missing > 0 {
			t.Errorf("client %d: %d of %d others not seen", i, missing, n-1)
		}
	}
	t.Logf("%d clients saw one another after %v", n, time.Since(began).Round(time.Millisecond))

	// Behind a marker from each, nothing of before is on its way any more.
	for i, c := range clients {
		e, _ := takclient.NewMarker()
		e.UID = fmt.Sprintf("END-%03d", i)
		takclient.Must(t, c.Send(e.XML()))
	}
	for i, c := range clients {
		if err := c.WaitCounts(ctx, func(k takclient.Counts) bool { return k.UIDs >= 2*n-1 }); err != nil {
			t.Fatalf("client %d: markers of the others: %v", i, err)
		}
		for k, other := range clients {
			want := 1
			if i == k {
				want = 0
			}
			if got := c.CountUID(other.UID()); got != want {
				t.Errorf("client %d got the position of %d %d times, want %d", i, k, got, want)
			}
		}
		for _, err := range c.Faults() {
			t.Errorf("client %d: %v", i, err)
		}
	}
}
