package pki

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
)

const tokenFile = "token.key"

// SigningKey is the key that signs access tokens. It is made when it is first
// asked for.
func (p *PKI) SigningKey(ctx context.Context) (*rsa.PrivateKey, error) {
	key, err := p.storedToken(nil)
	if key != nil || err != nil {
		return key, err
	}
	made, err := p.makeKey(ctx, func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	if err != nil {
		return nil, fmt.Errorf("make the key of access tokens: %w", err)
	}
	return p.storedToken(made.(*rsa.PrivateKey))
}

// storedToken gives the key that is there, else it keeps made, if it has one.
func (p *PKI) storedToken(made *rsa.PrivateKey) (*rsa.PrivateKey, error) {
	p.work.Lock()
	defer p.work.Unlock()
	if p.token != nil {
		return p.token, nil
	}
	b, err := p.dir.read(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("the key of access tokens: %w", err)
	}
	if b == nil {
		if made == nil {
			return nil, nil
		}
		b, err := encodeKey(made)
		if err == nil {
			err = p.dir.write(file{tokenFile, b})
		}
		if err != nil {
			return nil, fmt.Errorf("write the key of access tokens: %w", err)
		}
		p.token = made
		return made, nil
	}
	key, err := parseKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s %w; without the file another is made, and everybody has to log in again", tokenFile, err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is no RSA key, which access tokens need", tokenFile)
	}
	p.token = rsaKey
	return rsaKey, nil
}
