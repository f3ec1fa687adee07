package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	rest "github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/pki"
)

type certIssueCmd struct {
	sourceFlags
	User     string `arg:"" help:"Whose rights it has. For a feed, add a user of its own first."`
	PEM      bool   `name:"pem" xor:"form" help:"Write PEM files, which is usual: USER.pem, USER.key, USER-ca.pem."`
	P12      bool   `name:"p12" xor:"form" help:"Write USER.p12 with certificate, key and authority, as phones take it, beside USER-ca.pem."`
	Modern   bool   `help:"With --p12: with encryption of today, which ATAK does not read."`
	Password string `default:"atakatak" help:"With --p12: its password."`
	CSR      string `name:"csr" xor:"form" placeholder:"FILE" help:"Sign the key of this request (PKCS#10 in PEM) instead of making one."`
	Out      string `short:"o" default:"." placeholder:"DIR" help:"Folder for the files; it is made if need be."`
	Life     string `placeholder:"SPAN" help:"How long it is good, such as 90d; without, as configured."`
	Channels bool   `help:"Its device may choose channels."`
	JSON     bool   `help:"Write all of it as JSON to the standard output, and no files."`
}

// Run issues. That the files have a place is seen before.
func (c *certIssueCmd) Run(ctx context.Context, std streams) error {
	in := rest.CertificateInput{User: c.User, Life: c.Life, Channels: c.Channels}
	if c.CSR != "" {
		csr, err := os.ReadFile(c.CSR)
		if err != nil {
			return err
		}
		in.CSR = string(csr)
	}
	if !c.JSON {
		if err := os.MkdirAll(c.Out, 0o700); err != nil {
			return err
		}
		for _, name := range c.names() {
			if err := (outFile{path: c.file(name)}).free(); err != nil {
				return err
			}
		}
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	var k rest.NewCertificate
	if err := a.ask(ctx, http.MethodPost, certificatesPath, &in, &k); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &k)
	}
	if err := c.write(std, &k); err != nil {
		return fmt.Errorf("%w (the certificate was issued: takhost cert revoke %s%s takes it back)", err, k.Serial, c.again())
	}
	return said(std, "certificate %s of %s, good until %s", k.Serial, k.User, local(&k.NotAfter))
}

// Endings of the files.
const (
	endCert = ".pem"
	endKey  = ".key"
	endP12  = ".p12"
	endCA   = "-ca.pem"
)

func (c *certIssueCmd) names() []string {
	switch {
	case c.P12:
		return []string{endP12, endCA}
	case c.CSR != "":
		return []string{endCert, endCA}
	}
	return []string{endCert, endKey, endCA}
}

func (c *certIssueCmd) file(end string) string {
	return filepath.Join(c.Out, onboard.FileName(c.User)+end)
}

func (c *certIssueCmd) write(std streams, k *rest.NewCertificate) error {
	for _, name := range c.names() {
		var data []byte
		switch name {
		case endCert:
			data = []byte(k.PEM)
		case endKey:
			data = []byte(k.Key)
		case endCA:
			data = []byte(k.Chain)
		case endP12:
			var err error
			if data, err = c.p12(k); err != nil {
				return err
			}
		}
		if err := (outFile{path: c.file(name)}).write(std, data); err != nil {
			return err
		}
		if err := said(std, "%s", c.file(name)); err != nil {
			return err
		}
	}
	return nil
}

func (c *certIssueCmd) p12(k *rest.NewCertificate) ([]byte, error) {
	certs, err := parsePEM(k.PEM)
	if err != nil {
		return nil, err
	}
	chain, err := parsePEM(k.Chain)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(k.Key))
	if block == nil || len(certs) == 0 {
		return nil, errors.New("the server sent no key or no certificate")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the server sent a key that cannot sign")
	}
	return (&pki.Pair{Cert: certs[0], Key: signer, Chain: chain}).PKCS12(c.Password, c.Modern)
}

func parsePEM(text string) (list []*x509.Certificate, err error) {
	for rest := []byte(strings.TrimSpace(text)); len(rest) > 0; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("the server sent what is no PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read the certificate: %w", err)
		}
		list = append(list, cert)
	}
	return list, nil
}
