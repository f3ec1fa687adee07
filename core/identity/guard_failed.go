package identity

import "time"

// verdict is what a failure leads to.
type verdict struct {
	list       bool          // it gets a row in the audit
	fails      int           // of the pair
	locked     time.Duration // the pair is locked out for so long
	addrFails  int
	addrLocked time.Duration // the address is
	slowed     bool          // the user is slowed from now on
}

// failed counts a failure. known is the name of the user if there is one.
func (t *try) failed(known string) (v verdict) {
	g := t.g
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.opt.Now()
	t.p.known = known
	v.locked = t.p.fail(now, g.opt.Attempts, 1, g.opt.Lock, max(g.opt.Lock, maxLock))
	v.fails = t.p.fails
	v.addrFails, v.addrLocked = g.addrFailed(t.addr, now)
	u := g.user(t.user)
	u.fade(now)
	u.fails++
	u.last = now
	v.slowed = u.fails == userTimes*g.opt.Attempts
	switch {
	case v.locked > 0: // its row tells of all
		t.p.listed, t.p.failed = true, 0
	case !t.p.listed && g.rows.AllowN(now, 1):
		t.p.listed, v.list = true, true
	default:
		t.p.failed++
	}
	return v
}

func (g *guard) addrFailed(addr string, now time.Time) (fails int, locked time.Duration) {
	a := g.addr(addr)
	a.fade(now)
	locked = a.fail(now, addrTimes*g.opt.Attempts, g.opt.Attempts, g.opt.Lock, max(g.opt.Lock, maxAddrLock))
	return a.fails, locked
}

// succeeded begins the counts of the pair anew. Those of the address stay: a
// guesser may have an account of his own.
func (t *try) succeeded() {
	g := t.g
	g.mu.Lock()
	defer g.mu.Unlock()
	t.p.counts, t.p.listed, t.p.good = counts{}, false, g.opt.Now()
}

// token lets secrets be tried that somebody chose and another could guess.
func (g *guard) token(addr string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, ok := g.addrs.Get(addrKey(addr))
	if !ok {
		return nil
	}
	now := g.opt.Now()
	a.fade(now)
	if wait := a.wait(now); wait > 0 {
		return &TooMany{Wait: wait}
	}
	return nil
}

// tokenFailed counts a wrong one. The same again tells a guesser nothing: it is
// a program that was not told of a change, and others may be behind its address.
func (g *guard) tokenFailed(addr string, token digest) (v verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := addrKey(addr)
	a := g.addr(key)
	if a.token == token {
		return v
	}
	a.token = token
	now := g.opt.Now()
	v.addrFails, v.addrLocked = g.addrFailed(key, now)
	v.list = g.listLocked(now)
	return v
}

// list tells whether one more failure gets its row in the audit; else it is in
// the sum of the others.
func (g *guard) list(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.listLocked(now)
}

func (g *guard) listLocked(now time.Time) bool {
	if !g.rows.AllowN(now, 1) {
		g.lost++
		return false
	}
	return true
}

// sum is what happened at a pair beyond what the audit has.
type sum struct {
	known, addr     string
	failed, refused int
}

// sums gives what the audit was not told yet, and how much of it is too much to
// be told one by one.
func (g *guard) sums() (all []sum, others int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	others, g.lost = g.lost, 0
	for _, k := range g.pairs.Keys() {
		p, _ := g.pairs.Peek(k)
		if p.failed+p.refused == 0 {
			continue
		}
		if len(all) < listedOfSums {
			all = append(all, sum{known: p.known, addr: k.addr, failed: p.failed, refused: p.refused})
		} else {
			others += p.failed + p.refused
		}
		p.failed, p.refused = 0, 0
	}
	return all, others
}
