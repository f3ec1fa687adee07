package identity

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Guessing is slowed at three places, so that a guesser gets nowhere and yet
// cannot keep others out:
//
//   - A user and an address together are locked out after some failures, each
//     time twice as long. Whoever has the right password and comes from elsewhere
//     is not touched by it: else anybody could lock out anybody.
//   - An address is locked out after ten times as many, as behind one there may
//     be many people, or a guesser who tries many names.
//   - A user for whom many addresses fail is only slowed, by some seconds a try,
//     and not from addresses where he logged in well before.
//
// Tables are bounded; what was not seen for longest goes.
const (
	maxPairs     = 16_384
	maxAddrs     = 16_384
	maxLock      = time.Hour
	maxAddrLock  = 15 * time.Minute
	addrTimes    = 10        // more failures than a pair, until an address is locked out
	userTimes    = 4         // more failures than a pair, until a user is slowed
	forget       = time.Hour // without a failure, counts begin anew
	knownGood    = 30 * 24 * time.Hour
	maxSlow      = 5 * time.Second
	maxSlowed    = 4                      // tries that are slowed at once, of a user
	maxTurns     = 64                     // tries that wait for one another, of a pair
	listedEvery  = 600 * time.Millisecond // rows of the audit about single failures
	listedBurst  = 100
	listedOfSums = 100 // rows of the audit about many failures, of one sweep
)

type pairKey struct{ user, addr string }

// counts is what is remembered of a pair, an address or a user.
type counts struct {
	fails int       // since the last success, or since they were forgotten
	locks int       // lock-outs so far
	until time.Time // locked out until then
	last  time.Time // last failure
}

// pair is a user, as somebody wrote him, at an address. Its tries take turns, so
// that many at once get no more than one after the other.
type pair struct {
	counts
	turn    chan struct{} // capacity 1
	waiting int
	good    time.Time // last success

	listed  bool   // a failure since the last success has its row in the audit
	failed  int    // further ones, that have none yet
	refused int    // tries while it was locked out
	known   string // name of the user, if there is one
}

type addrCounts struct {
	counts
	token digest // the last one that was wrong
}

type userCounts struct {
	counts
	slowed int // tries that wait now
}

type guard struct {
	opt *Options

	mu    sync.Mutex
	pairs *simplelru.LRU[pairKey, *pair]
	addrs *simplelru.LRU[string, *addrCounts]
	users *simplelru.LRU[string, *userCounts]
	lost  int           // failures that the audit has no other place for
	rows  *rate.Limiter // of single failures in the audit
}

func newGuard(opt *Options) *guard {
	g := &guard{opt: opt, rows: rate.NewLimiter(rate.Every(listedEvery), listedBurst)}
	var err error
	if g.pairs, err = simplelru.NewLRU(maxPairs, func(_ pairKey, p *pair) { g.lost += p.failed + p.refused }); err != nil {
		panic(err) // of sizes below 1
	}
	if g.addrs, err = simplelru.NewLRU[string, *addrCounts](maxAddrs, nil); err != nil {
		panic(err)
	}
	if g.users, err = simplelru.NewLRU[string, *userCounts](maxPairs, nil); err != nil {
		panic(err)
	}
	return g
}

// addrKey gives what counts as one address: of IPv6 the network that a customer
// has, /64.
func addrKey(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		ap, err := netip.ParseAddrPort(addr)
		if err != nil {
			return addr[:min(len(addr), 64)]
		}
		ip = ap.Addr()
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

func userKey(user string) string {
	if len(user) > maxFolded {
		return shortHash(user)
	}
	return fold(user)
}

func (c *counts) fade(now time.Time) {
	if c.fails > 0 && now.Sub(c.last) > forget && now.After(c.until) {
		*c = counts{}
	}
}

func (c *counts) wait(now time.Time) time.Duration { return c.until.Sub(now) }

// fail counts a failure; at each limit, and from then on at each further
// failure of a step, it locks out.
func (c *counts) fail(now time.Time, limit, step int, first, most time.Duration) (locked time.Duration) {
	c.fails++
	c.last = now
	if c.fails < limit || (c.fails-limit)%step != 0 {
		return 0
	}
	locked = first
	for range c.locks {
		if locked *= 2; locked >= most {
			locked = most
			break
		}
	}
	c.locks++
	c.until = now.Add(locked)
	return locked
}

func (g *guard) pair(user, addr string) *pair {
	k := pairKey{user, addr}
	p, ok := g.pairs.Get(k)
	if !ok {
		p = &pair{turn: make(chan struct{}, 1)}
		g.pairs.Add(k, p)
	}
	return p
}

func (g *guard) addr(addr string) *addrCounts {
	a, ok := g.addrs.Get(addr)
	if !ok {
		a = &addrCounts{}
		g.addrs.Add(addr, a)
	}
	return a
}

func (g *guard) user(user string) *userCounts {
	u, ok := g.users.Get(user)
	if !ok {
		u = &userCounts{}
		g.users.Add(user, u)
	}
	return u
}

// try is one login that was let in.
type try struct {
	g          *guard
	user, addr string // keys
	p          *pair
	u          *userCounts // while it is slowed
}

// enter waits for the turn of a login. The error is a *TooMany, or that of ctx.
// Whoever gets a try ends it.
func (g *guard) enter(ctx context.Context, user, addr string) (*try, error) {
	t := &try{g: g, user: userKey(user), addr: addrKey(addr)}
	g.mu.Lock()
	t.p = g.pair(t.user, t.addr)
	if t.p.waiting >= maxTurns {
		g.mu.Unlock()
		return nil, &TooMany{Wait: maxSlow, Busy: true}
	}
	t.p.waiting++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		t.p.waiting--
		g.mu.Unlock()
	}()
	select {
	case t.p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	slow, err := g.mayTry(t)
	if err == nil && slow > 0 {
		err = g.slow(ctx, t, slow)
	}
	if err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

func (t *try) end() { <-t.p.turn }

// mayTry tells by how much the try is slowed.
func (g *guard) mayTry(t *try) (slow time.Duration, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.opt.Now()
	t.p.fade(now)
	if wait := t.p.wait(now); wait > 0 {
		t.p.refused++
		return 0, &TooMany{Wait: wait}
	}
	if a, ok := g.addrs.Get(t.addr); ok {
		a.fade(now)
		if wait := a.wait(now); wait > 0 {
			t.p.refused++
			return 0, &TooMany{Wait: wait}
		}
	}
	u, ok := g.users.Get(t.user)
	if !ok {
		return 0, nil
	}
	u.fade(now)
	over := u.fails - userTimes*g.opt.Attempts
	if over < 0 || !t.p.good.IsZero() && now.Sub(t.p.good) < knownGood {
		return 0, nil
	}
	if u.slowed >= maxSlowed {
		return 0, &TooMany{Wait: maxSlow, Busy: true}
	}
	u.slowed++
	t.u = u
	return min(maxSlow, time.Second+time.Duration(over)*100*time.Millisecond), nil
}

func (g *guard) slow(ctx context.Context, t *try, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	defer func() {
		g.mu.Lock()
		t.u.slowed--
		g.mu.Unlock()
	}()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
