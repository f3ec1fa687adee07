package pki

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
)

// Pair is a certificate with the key that was made for it.
type Pair struct {
	Cert  *x509.Certificate
	Key   crypto.Signer
	Chain []*x509.Certificate // its issuer first

	keyPEM []byte
}

// Issue makes a key and a certificate for it. A key takes 0.1 to 0.6 s of one
// core, so at most two are in the making; others wait until ctx ends.
func (p *PKI) Issue(ctx context.Context, l Leaf) (*Pair, error) {
	key, err := p.makeKey(ctx, p.newKey)
	if err != nil {
		return nil, err
	}
	a := p.state.Load().current
	cert, err := p.sign(a, key.Public(), l)
	if err != nil {
		return nil, err
	}
	text, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return &Pair{Cert: cert, Key: key, Chain: a.all(), keyPEM: text}, nil
}

// makeKey makes a key in a goroutine of its own: the making cannot be cut off,
// but who waits for it can leave.
func (p *PKI) makeKey(ctx context.Context, newKey func() (crypto.Signer, error)) (crypto.Signer, error) {
	select {
	case p.makers <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, errClosed
	}
	type made struct {
		key crypto.Signer
		err error
	}
	done := make(chan made, 1)
	if !p.spawn(func() {
		defer func() { <-p.makers }()
		key, err := newKey()
		done <- made{key, err}
	}) {
		<-p.makers
		return nil, errClosed
	}
	select {
	case m := <-done:
		return m.key, m.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *PKI) newKey() (crypto.Signer, error) {
	if p.opt.test.newKey != nil {
		return p.opt.test.newKey()
	}
	return rsa.GenerateKey(rand.Reader, p.opt.KeyBits)
}

// newSerial gives 127 random bits, of which the first is set: always positive,
// never zero, one length.
func newSerial() (*big.Int, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:]), nil
}

// keyID is a subject key identifier (RFC 7093, method 1).
func keyID(pub crypto.PublicKey) ([]byte, error) {
	var bits []byte
	switch k := pub.(type) {
	case *rsa.PublicKey:
		bits = x509.MarshalPKCS1PublicKey(k)
	case *ecdsa.PublicKey:
		point, err := k.ECDH()
		if err != nil {
			return nil, err
		}
		bits = point.Bytes()
	default:
		return nil, checkKey(pub)
	}
	sum := sha256.Sum256(bits)
	return sum[:20], nil
}

// nameOf is what people call a certificate.
func nameOf(c *x509.Certificate) string { return clean(c.Subject.String()) }
