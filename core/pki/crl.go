package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"
)

const crlFile = "crl.pem"

// A list is good for crlLife and signed again when half of it is over, so that
// tools that check it (openssl -crl_check) never meet an old one.
const (
	crlLife  = 30 * day
	crlFresh = crlLife / 2
)

// crl is the revocation list as written.
type crl struct {
	pem    []byte
	number *big.Int // of the newest list
	next   time.Time
	due    bool // what is written is not what holds
}

// CRL gives the revocation list in PEM form: a block for the current authority
// and, in a rollover, one for the former. Nil when none may sign lists.
func (p *PKI) CRL() []byte { return slices.Clone(p.state.Load().crl.pem) }

// readCRL takes over crl.pem: what it lists holds until Revoke is told better.
func (p *PKI) readCRL(s *state) {
	s.crl = crl{number: new(big.Int), due: true}
	b, err := p.dir.read(crlFile)
	if err != nil {
		p.log.Warn("the revocation list is made anew", "file", p.dir.in(crlFile), "err", err)
		b = nil
	}
	authorities := []*authority{s.current}
	if s.former != nil {
		authorities = append(authorities, s.former)
	}
	var told []Revoked
	signed := 0
	var next time.Time
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		list, err := parseCRL(block)
		if err == nil {
			err = list.signedBy(authorities...)
		}
		if err != nil {
			p.log.Warn("left out a part of the revocation list", "file", p.dir.in(crlFile), "err", err)
			continue
		}
		signed++
		told = append(told, list.entries...)
		if list.number != nil && list.number.Cmp(s.crl.number) > 0 {
			s.crl.number = list.number
		}
		if next.IsZero() || list.next.Before(next) {
			next = list.next
		}
	}
	if signed == len(authorities) {
		s.crl.pem, s.crl.next, s.crl.due = b, next, false
	}
	s.revoke(told)
}

// signCRL signs and writes the list when that is due. The caller holds work.
func (p *PKI) signCRL() error {
	s := p.state.Load()
	now := p.now().UTC().Truncate(time.Second)
	if !s.crl.due && s.crl.next.Sub(now) >= crlFresh {
		return nil
	}
	// The clock gives the number, so that it also rises when the file was lost.
	number := big.NewInt(now.Unix())
	if s.crl.number.Cmp(number) >= 0 {
		number = new(big.Int).Add(s.crl.number, big.NewInt(1))
	}
	made := crl{number: number, next: now.Add(crlLife)}
	for _, a := range []*authority{s.current, s.former} {
		if a == nil {
			continue
		}
		if !a.signsLists() {
			p.noteOnce(a.cert, "this authority may not sign revocation lists (keyUsage cRLSign): there is no list for others, the server itself refuses what is revoked")
			continue
		}
		block, err := a.signList(s.revoked.told, number, now, made.next)
		if err != nil {
			return fmt.Errorf("sign the revocation list of %s: %w", nameOf(a.cert), err)
		}
		made.pem = append(made.pem, block...)
	}
	if err := p.dir.write(file{crlFile, made.pem}); err != nil {
		return fmt.Errorf("write the revocation list: %w", err)
	}
	p.update(func(now *state) {
		// Revoke may have come meanwhile.
		made.due = !sameList(now.revoked.told, s.revoked.told)
		now.crl = made
	})
	return nil
}

func sameList(a, b []Revoked) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// signsLists: without a keyUsage extension nothing is forbidden.
func (a *authority) signsLists() bool {
	return !hasKeyUsage(a.cert) || a.cert.KeyUsage&x509.KeyUsageCRLSign != 0
}

func hasKeyUsage(c *x509.Certificate) bool { return c.KeyUsage != 0 }

func (a *authority) signList(told []Revoked, number *big.Int, now, next time.Time) ([]byte, error) {
	own := a.cert.Subject.String()
	tmpl := &x509.RevocationList{Number: number, ThisUpdate: now, NextUpdate: next}
	seen := map[string]bool{}
	for _, e := range slices.Concat(told, a.listed) {
		if key := string(e.Serial.Bytes()); !seen[key] && (e.Issuer == "" || e.Issuer == own) {
			seen[key] = true
			tmpl.RevokedCertificateEntries = append(tmpl.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: e.Serial, RevocationTime: e.At.UTC().Truncate(time.Second)})
		}
	}
	slices.SortFunc(tmpl.RevokedCertificateEntries, func(x, y x509.RevocationListEntry) int {
		return x.SerialNumber.Cmp(y.SerialNumber)
	})
	// x509 wants what an old authority such as FreeTAKServer's does not have: a
	// subject key identifier. Verifiers compare it only where there is one.
	issuer := *a.cert
	issuer.KeyUsage |= x509.KeyUsageCRLSign
	if len(issuer.SubjectKeyId) == 0 {
		var err error
		if issuer.SubjectKeyId, err = keyID(a.key.Public()); err != nil {
			return nil, err
		}
	}
	der, err := x509.CreateRevocationList(rand.Reader, tmpl, &issuer, a.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemCRL, Bytes: der}), nil
}

// listedIn reads the revocation lists in an authority's own file.
func listedIn(b []byte, ca *x509.Certificate) (entries []Revoked, err error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != pemCRL {
			continue
		}
		list, err := parseCRL(block)
		if err != nil {
			return nil, fmt.Errorf("its revocation list: %w", err)
		}
		if !bytes.Equal(list.issuer, ca.RawSubject) {
			continue // of an authority above
		}
		if err := list.signedBy(&authority{cert: ca}); err != nil {
			return nil, fmt.Errorf("its revocation list: %w", err)
		}
		entries = append(entries, list.entries...)
	}
	return entries, nil
}
