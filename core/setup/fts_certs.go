package setup

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/pki"
)

// ftsCert is a certificate that a FreeTAKServer has given out.
type ftsCert struct {
	cert    *x509.Certificate
	revoked bool
}

// authority is FreeTAKServer's own, as the files ca.pem and ca.key. Behind the
// certificate are its revocation lists: what they name stays revoked for ever
// (core/pki).
type authority struct{ certs, key []byte }

// sharedUser is whom the one certificate for everybody (spec/certs.md 1) is
// recorded for.
const sharedUser = "Client"

// readCerts reads authority and certificates. What belongs to a user goes to him;
// the server's own certificate is given back. The clock is for what has ended.
func (s *ftsSettings) readCerts(ctx context.Context, people []*person, now time.Time, r *Report) (ca *authority, all []*person, server *x509.Certificate, err error) {
	dir := s.path("FTS_CERTS_PATH", "certs")
	ca, trusted, err := s.readAuthority(ctx, now, r)
	if err != nil || ca == nil {
		return nil, people, nil, err
	}
	defer func() { err = errors.Join(err, trusted.close()) }()
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.left("certificates", "%v", err)
		return ca, people, nil, nil
	}
	for _, e := range entries {
		name, isPEM := strings.CutSuffix(e.Name(), ".pem")
		if !isPEM || e.IsDir() || name == "ca" {
			continue
		}
		what := "certificate " + e.Name()
		cert, err := readCert(filepath.Join(dir, e.Name()))
		if err != nil {
			r.left(what, "%v", err)
			continue
		}
		c, why := trusted.judge(cert)
		switch p := owner(people, name, cert); {
		case name == "server":
			server = cert
		case why != "":
			r.left(what, "%s", why)
		case p != nil:
			p.certs = append(p.certs, c)
			r.certTaken(what, p.user.Name, c)
		case name == sharedUser:
			end := cert.NotAfter
			people = append(people, &person{certs: []ftsCert{c}, user: identity.User{
				Name: sharedUser, FullName: "everybody with FreeTAKServer's Client.p12", Roles: []string{identity.RoleUser}, Expires: &end,
			}})
			r.weak(what, "is one for all who have the file: user and certificate end on %s. Enrol these people before, then remove the user", end.Format(time.DateOnly))
		default:
			r.left(what, "belongs to no user of the database")
		}
	}
	if server != nil {
		r.weak("server.pem", "its private key is in every package that FreeTAKServer gave out: who has one can pose as this server to phones that trust this authority. When all are enrolled anew, replace it: takhost cert rollover")
	}
	return ca, people, server, nil
}

func (r *Report) certTaken(what, user string, c ftsCert) {
	if c.revoked {
		r.taken(what, "of %s, stays revoked", user)
		return
	}
	r.taken(what, "of %s, until %s", user, c.cert.NotAfter.Format(time.DateOnly))
}

// owner gives the user whose certificate that is: by the name of the file, by the
// name in it, or by the uid at the end of either, as names were mangled at times.
func owner(people []*person, file string, cert *x509.Certificate) *person {
	for _, fits := range []func(*person) bool{
		func(p *person) bool { return strings.EqualFold(p.was, file) },
		func(p *person) bool { return strings.EqualFold(p.was, cert.Subject.CommonName) },
		func(p *person) bool {
			uid := p.user.UID
			return len(uid) >= 16 && (strings.HasSuffix(file, uid) || strings.HasSuffix(cert.Subject.CommonName, uid))
		},
	} {
		i := slices.IndexFunc(people, func(p *person) bool { return p.was != "" && fits(p) })
		if i >= 0 {
			return people[i]
		}
	}
	return nil
}

func readCert(path string) (*x509.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, errors.New("it holds no certificate in PEM form")
}

// readAuthority reads the authority and tries it; nil when it cannot be taken.
func (s *ftsSettings) readAuthority(ctx context.Context, now time.Time, r *Report) (*authority, *trial, error) {
	certFile, keyFile := s.path("FTS_CADIR", "certs", "ca.pem"), s.path("FTS_CAKEYDIR", "certs", "ca.key")
	const enrol = "this server makes an authority of its own, and all clients have to be enrolled with it"
	certs, err := os.ReadFile(certFile)
	if err == nil {
		var key []byte
		if key, err = os.ReadFile(keyFile); err == nil {
			return s.tryAuthority(ctx, certs, key, now, r)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.left("authority", "%v: %s", err, enrol)
	case errors.Is(err, fs.ErrPermission):
		// Going on would shut out all clients for want of a sudo.
		return nil, nil, fmt.Errorf("read FreeTAKServer's authority: %w: run this as its user, or as root", err)
	default:
		return nil, nil, fmt.Errorf("read FreeTAKServer's authority: %w", err)
	}
	return nil, nil, nil
}

func (s *ftsSettings) tryAuthority(ctx context.Context, certs, key []byte, now time.Time, r *Report) (*authority, *trial, error) {
	lists, err := os.ReadFile(s.path("FTS_CRLDIR", "certs", "FTS_CRL.json")) // PEM, whatever it is called
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read FreeTAKServer's revocation list: %w", err)
	}
	a := &authority{certs: withLists(certs, lists), key: key}
	t, err := openTrial(ctx, a, now)
	if err != nil && len(lists) > 0 {
		if alone, e := openTrial(ctx, &authority{certs, key}, now); e == nil {
			r.left("revoked certificates", "FTS_CRL.json is no list of this authority: %v. None of them has a user here, so they open nothing", err)
			a, t, err = &authority{certs, key}, alone, nil
		}
	}
	if err != nil {
		r.left("authority", "%v: this server makes one of its own, and all clients have to be enrolled with it", err)
		return nil, nil, nil
	}
	end := t.pki.CA().NotAfter
	r.taken("authority", "issues certificates here; clients that trust it go on to do so. It ends on %s", end.Format(time.DateOnly))
	if end.Sub(now) < 90*24*time.Hour {
		r.weak("authority", "ends on %s, and with it every certificate: begin a rollover now (takhost cert rollover), then enrol all clients", end.Format(time.DateOnly))
	}
	if n := t.revoked(); n > 0 {
		r.taken("revoked certificates", "%d stay revoked", n)
	}
	return a, t, nil
}

// withLists puts revocation lists behind the certificates, each once.
func withLists(certs, lists []byte) []byte {
	out := bytes.TrimRight(certs, "\n")
	out = append(out[:len(out):len(out)], '\n')
	for block, rest := pem.Decode(lists); block != nil; block, rest = pem.Decode(rest) {
		if text := pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}); block.Type == "X509 CRL" && !bytes.Contains(certs, bytes.TrimSpace(text)) {
			out = append(out, text...)
		}
	}
	return out
}

// trial is an authority in a folder that goes again, to see what it is worth.
type trial struct {
	dir string
	pki *pki.PKI
}

func openTrial(ctx context.Context, a *authority, now time.Time) (_ *trial, err error) {
	t := &trial{}
	if t.dir, err = os.MkdirTemp("", "takhost-ca-*"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(t.dir))
		}
	}()
	if err := a.write(t.dir); err != nil {
		return nil, err
	}
	if t.pki, err = pki.Open(pki.Options{Dir: t.dir, Names: func() []string { return nil }, Now: func() time.Time { return now }}); err != nil {
		return nil, err
	}
	return t, ctx.Err()
}

func (t *trial) close() error {
	t.pki.Close()
	return os.RemoveAll(t.dir)
}

// write puts the files where a server looks for them.
func (a *authority) write(dir string) error {
	for _, f := range []struct {
		name string
		data []byte
		mode fs.FileMode
	}{{"ca.key", a.key, 0o600}, {"ca.pem", a.certs, 0o644}} {
		out, err := os.OpenFile(filepath.Join(dir, f.name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
		if err != nil {
			return err
		}
		_, err = out.Write(f.data)
		if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
			return err
		}
	}
	return nil
}

// revoked counts what the authority's lists name.
func (t *trial) revoked() (n int) {
	for block, rest := pem.Decode(t.pki.CRL()); block != nil; block, rest = pem.Decode(rest) {
		if list, err := x509.ParseRevocationList(block.Bytes); err == nil {
			n += len(list.RevokedCertificateEntries)
		}
	}
	return n
}

// judge says why a certificate is worth nothing any more, "" if it is. One that
// is revoked is kept as such.
func (t *trial) judge(cert *x509.Certificate) (c ftsCert, why string) {
	c.cert = cert
	err := t.pki.VerifyClient(cert)
	refused := (*pki.HandshakeError)(nil)
	switch {
	case err == nil:
		return c, ""
	case errors.As(err, &refused) && refused.Reason == pki.ReasonRevoked:
		c.revoked = true
		return c, ""
	case errors.As(err, &refused) && refused.Reason == pki.ReasonExpired:
		return c, "ended on " + cert.NotAfter.Format(time.DateOnly)
	case errors.As(err, &refused) && refused.Reason == pki.ReasonForeign:
		return c, "is not of the authority in ca.pem"
	}
	return c, err.Error()
}
