package identity

import (
	"context"
	"sync/atomic"
	"time"
)

// waitersPerHash is how many logins may wait for each that hashes: with 20 to 50
// ms for one, whoever waits gets his turn within some seconds.
const waitersPerHash = 64

// hasher bounds how many passwords are hashed at once, as each takes 19 MiB, and
// how many logins wait for it.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
	most    int64
}

func newHasher(atOnce int) *hasher {
	return &hasher{slots: make(chan struct{}, atOnce), most: int64(atOnce) * waitersPerHash}
}

func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hasher) leave() { <-h.slots }

// hash is for passwords that are set: who sets one has a right to wait.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	return makeHash(password), nil
}

// compare is for logins. When too many wait already, the error is a *TooMany.
func (h *hasher) compare(ctx context.Context, hash, password string) (ok, old bool, err error) {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > h.most+int64(cap(h.slots)) {
		return false, false, &TooMany{Wait: 2 * time.Second, Busy: true}
	}
	if err := h.enter(ctx); err != nil {
		return false, false, err
	}
	defer h.leave()
	return compare(hash, password)
}
