package pki

import (
	"context"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// Revoked is a certificate that is good no more.
type Revoked struct {
	Serial *big.Int
	At     time.Time

	// Issuer is the issuer's name as x509.Certificate.Issuer.String() writes it.
	// Empty: whoever issued it, which is right where all serials are long random
	// numbers.
	Issuer string
}

// revocations are found by serial.
type revocations struct {
	told []Revoked // by Revoke, or by the list found at the start
	by   map[string][]Revoked
}

// revoke makes the table anew from what was told and what authorities brought
// along.
func (s *state) revoke(told []Revoked) {
	r := revocations{told: told, by: make(map[string][]Revoked, len(told))}
	add := func(list []Revoked) {
		for _, e := range list {
			key := string(e.Serial.Bytes())
			r.by[key] = append(r.by[key], e)
		}
	}
	add(told)
	add(s.current.listed)
	if s.former != nil {
		add(s.former.listed)
	}
	s.revoked = r
}

func (r revocations) has(c *x509.Certificate) bool {
	for _, e := range r.by[string(c.SerialNumber.Bytes())] {
		if e.Issuer == "" || e.Issuer == c.Issuer.String() {
			return true
		}
	}
	return false
}

// Revoke replaces the whole list of revoked certificates. Handshakes refuse them
// from now on, also when the list cannot be written, which is the error; it is
// then tried again every minute. Call it after Open too: until then what crl.pem
// lists holds. Calls must be in the order of the lists.
func (p *PKI) Revoke(ctx context.Context, list []Revoked) error {
	told := make([]Revoked, len(list))
	for i, e := range list {
		if e.Serial == nil || e.Serial.Sign() < 0 {
			return fmt.Errorf("revoke: entry %d has no serial number", i+1)
		}
		if e.At.IsZero() {
			e.At = p.now()
		}
		told[i] = e
	}
	p.update(func(s *state) {
		s.revoke(told)
		s.crl.due = true
	})
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write the revocation list: %w", err)
	}
	p.work.Lock()
	defer p.work.Unlock()
	return p.signCRL()
}

// IsRevoked reports whether a certificate is revoked.
func (p *PKI) IsRevoked(c *x509.Certificate) bool { return p.state.Load().revoked.has(c) }
