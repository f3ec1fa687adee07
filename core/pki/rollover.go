package pki

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// ErrRollover and ErrNoRollover: a rollover goes on already, or none does.
var (
	ErrRollover   = errors.New("a rollover goes on: finish it first")
	ErrNoRollover = errors.New("no rollover goes on")
)

// Former is the authority that ends with the rollover; nil outside of one.
func (p *PKI) Former() *x509.Certificate {
	if f := p.state.Load().former; f != nil {
		return f.cert
	}
	return nil
}

// Rollover puts a new authority beside the present one: the one that lies in
// next.pem and next.key, else one made here. It issues from now on; both are
// trusted, and given to clients. The server's own certificate stays with the
// former one until FinishRollover, or until that ends.
//
// ATAK keeps a trust store that it has when it enrols again, so the new
// authority reaches it by a package or profile before the rollover is finished.
func (p *PKI) Rollover(ctx context.Context) error {
	if p.Former() != nil {
		return ErrRollover
	}
	key, err := p.makeKey(ctx, p.newKey)
	if err != nil {
		return fmt.Errorf("make a new authority: %w", err)
	}
	p.work.Lock()
	defer p.work.Unlock()
	s := p.state.Load()
	if s.former != nil {
		return ErrRollover
	}
	next, err := p.openAuthority("next")
	if err != nil {
		return err
	}
	if next == nil {
		if next, err = p.makeAuthority(key); err != nil {
			return fmt.Errorf("make a new authority: %w", err)
		}
	}
	switch {
	case bytes.Equal(next.cert.RawSubject, s.current.cert.RawSubject):
		return fmt.Errorf("the new authority has the name of the present one, %s: clients could not tell them apart", nameOf(next.cert))
	case p.now().After(next.cert.NotAfter):
		return fmt.Errorf("the new authority %s has ended", nameOf(next.cert))
	}
	if err := p.dir.write(slices.Concat(s.current.as("former"), next.as("ca"), gone("next"))...); err != nil {
		return fmt.Errorf("write the new authority: %w", err)
	}
	p.update(func(s *state) {
		s.former, s.current = s.current, next
		s.changedAuthorities()
	})
	p.log.Info("rollover: a new authority issues certificates, the former is still trusted",
		"new", nameOf(next.cert), "former", nameOf(s.current.cert))
	return p.check()
}

// FinishRollover ends the trust in the former authority: clients that still have
// its certificates, or do not know the current one, have to enrol again.
func (p *PKI) FinishRollover(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.work.Lock()
	defer p.work.Unlock()
	if p.state.Load().former == nil {
		return ErrNoRollover
	}
	if err := p.finishRollover(); err != nil {
		return err
	}
	return p.check()
}

func (p *PKI) finishRollover() error {
	former := p.state.Load().former
	if err := p.dir.write(gone("former")...); err != nil {
		return fmt.Errorf("remove the former authority: %w", err)
	}
	p.update(func(s *state) {
		s.former = nil
		s.changedAuthorities()
	})
	p.log.Info("rollover finished: the former authority is trusted no more", "former", nameOf(former.cert))
	return nil
}

func (s *state) changedAuthorities() {
	s.trust()
	s.revoke(s.revoked.told)
	s.crl.due = true
}
