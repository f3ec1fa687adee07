package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
)

const (
	// offerTime is how long clients may fetch what they were offered: some ask their
	// user first, and some were just driving through a tunnel.
	offerTime = 24 * time.Hour

	mostOffers = 100
)

// Offer makes the package of a profile as it is now, and keeps it for a day. to is
// for the audit.
func (p *Profiles) Offer(ctx context.Context, by identity.Actor, name string, to []string) (o onboard.Offer, err error) {
	select { // one at a time, as each takes room on the disk
	case p.offering <- struct{}{}:
		defer func() { <-p.offering }()
	case <-ctx.Done():
		return onboard.Offer{}, ctx.Err()
	}
	v, err := p.Profile(name)
	if err != nil {
		return onboard.Offer{}, err
	}
	if err := p.SweepOffers(ctx); err != nil {
		return onboard.Offer{}, err
	}
	if len(p.all.Load().offers) >= mostOffers {
		return onboard.Offer{}, &store.Error{Code: store.Conflict, Msg: fmt.Sprintf("%d packages of profiles were offered in the last %v, more are not kept", mostOffers, offerTime)}
	}
	a, err := onboard.Zip(v.Name, v)
	if err != nil {
		return onboard.Offer{}, err
	}
	if a == nil {
		return onboard.Offer{}, &store.Error{Code: store.Invalid, Msg: "profile " + clip(v.Name) + " has no files"}
	}
	r := a.Open(func(hash string) (io.ReadSeekCloser, error) { return p.Open(ctx, hash) })
	defer r.Close()
	hold := p.opt.Files.Hold()
	defer func() { err = p.release(ctx, hold, err) }()
	blob, err := p.opt.Files.Put(ctx, r, store.BlobSpec{ContentType: zipType, Name: onboard.ZipName, Size: a.Size(), Hold: hold})
	if err != nil {
		return onboard.Offer{}, err
	}
	return p.keepOffer(ctx, by, onboard.Offer{Profile: fold(name), Hash: blob.Hash, Size: blob.Size, Until: p.opt.Now().UTC().Add(offerTime)}, v.Name, to)
}

// keepOffer enters an offer whose package is stored.
func (p *Profiles) keepOffer(ctx context.Context, by identity.Actor, o onboard.Offer, name string, to []string) (onboard.Offer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.all.Load().clone()
	if _, there := next.profiles[o.Profile]; !there {
		return onboard.Offer{}, noProfile(name)
	}
	next.offers[o.Hash] = o
	body, err := json.Marshal(o)
	if err != nil {
		return onboard.Offer{}, fmt.Errorf("write an offer: %w", err)
	}
	err = p.opt.Records.Change(ctx, store.RecordChange{
		Put: []store.Record{{Kind: offerKind, ID: o.Hash, Body: body}}, Keep: []store.Kept{{Owner: offerKind, Hash: o.Hash}},
		Audit: p.audit(by, "profile.send", name, clip(strings.Join(to, ", "))),
	})
	if err != nil {
		return onboard.Offer{}, fmt.Errorf("store an offer: %w", err)
	}
	p.all.Store(next)
	return o, nil
}

// Offered says whether a package of a profile was offered and still holds.
func (p *Profiles) Offered(name, hash string) bool {
	o, ok := p.all.Load().offers[hash]
	return ok && o.Profile == fold(name) && p.opt.Now().Before(o.Until)
}

// SweepOffers gives up the packages whose time is over.
func (p *Profiles) SweepOffers(ctx context.Context) error {
	now := p.opt.Now()
	over := func(o onboard.Offer) bool { return !now.Before(o.Until) }
	p.mu.Lock()
	defer p.mu.Unlock()
	next, c := p.all.Load().clone(), store.RecordChange{}
	if next.dropOffers(&c, over); len(c.Remove) == 0 {
		return nil
	}
	if err := p.opt.Records.Change(ctx, c); err != nil {
		return fmt.Errorf("give up offers of profiles: %w", err)
	}
	p.all.Store(next)
	return nil
}

// dropOffers takes out the offers that match, and adds that to a change.
func (s *profileState) dropOffers(c *store.RecordChange, match func(onboard.Offer) bool) {
	for hash, o := range s.offers {
		if !match(o) {
			continue
		}
		delete(s.offers, hash)
		c.Remove = append(c.Remove, store.Record{Kind: offerKind, ID: hash})
		c.Release = append(c.Release, store.Kept{Owner: offerKind, Hash: hash})
	}
}
