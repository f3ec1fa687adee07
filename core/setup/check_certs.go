package setup

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/takhost/takhost/core/config"
)

const day = 24 * time.Hour

// certFile is a certificate on the disk with its key.
type certFile struct {
	what      string // for people
	cert, key string // files
}

// load reads certificate and key and adds what is wrong with them. ok is false when
// there is nothing to look at.
func (c certFile) load(f *findings) (leaf *x509.Certificate, ok bool) {
	certPEM, err := os.ReadFile(c.cert)
	keyPEM, err2 := os.ReadFile(c.key)
	for _, e := range []error{err, err2} {
		switch {
		case errors.Is(e, fs.ErrPermission):
			f.add(Warning, "run this as the user that runs takhost, or as root", "%s cannot be looked at: %v", c.what, e)
			return nil, false
		case e != nil:
			f.add(Fault, "put it there, or take the other half away", "%s: %v", c.what, e)
			return nil, false
		}
	}
	pair, err := tls.X509KeyPair(certsOnly(certPEM), keyPEM)
	if err != nil {
		f.add(Fault, "bring certificate and key that belong together", "%s: %s with %s: %v", c.what, c.cert, c.key, err)
		return nil, false
	}
	return pair.Leaf, true
}

// certsOnly takes out what else may stand in the file, such as revocation lists.
func certsOnly(b []byte) []byte {
	var out bytes.Buffer
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			out.Write(pem.EncodeToMemory(block))
		}
	}
	return out.Bytes()
}

// ending adds when a certificate ends, if that is near: 30, 14 and 7 days before.
// renewed says that the server sees to it.
func (f *findings) ending(what string, end, now time.Time, do string, renewed bool) {
	left := end.Sub(now)
	level := OK
	switch {
	case left <= 7*day:
		level = Fault
	case left <= 14*day:
		level = Warning
	case left <= 30*day:
		level = Note
	}
	if level == OK {
		return
	}
	if renewed {
		level, do = Note, "it is made anew at the next start"
	}
	if left <= 0 {
		f.add(level, do, "%s ended on %s", what, end.Local().Format(time.DateOnly))
		return
	}
	f.add(level, do, "%s ends in %d days, on %s", what, int(left/day), end.Local().Format(time.DateOnly))
}

// checkAuthority looks at the authority, the server's certificate and the
// revocation list.
func checkAuthority(_ context.Context, p *Patient) []Finding {
	var f findings
	dir, now, c := filepath.Join(p.Config.Data, "pki"), p.Now(), p.Config
	in := func(name string) string { return filepath.Join(dir, name) }
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		f.add(OK, "", "the first start makes an authority and a certificate of the server")
		return f
	}
	p.lookAtCA(&f, in)
	server, renewed := certFile{"the server's certificate", in("server.pem"), in("server.key")}, true
	if c.TLS.Enabled() {
		server.cert, server.key, renewed = c.TLS.Cert, c.TLS.Key, false
	}
	if missing := !exists(server.cert) && !exists(server.key); missing && renewed {
		f.add(OK, "", "the next start makes the server's certificate")
	} else if leaf, ok := server.load(&f); ok {
		do := "renew it: the server reads the files again when they change"
		if renewed {
			do = "the log says why it is not renewed"
		}
		f.ending(server.what, leaf.NotAfter, now, do, renewed && p.Running == nil)
		if names := lackingAny(leaf, c.Public); len(names) > 0 {
			do, level := "have one issued with these names", Warning
			if renewed && p.Running == nil {
				do, level = "the next start makes it anew", Note
			} else if renewed {
				do = "takhost config reload: the server makes it anew within a minute"
			}
			f.add(level, do, "the server's certificate is not for %s, by which clients come", some(names, 5))
		}
	}
	p.lookAtList(&f, in("crl.pem"))
	if file := c.TLS.ClientCA; file != "" {
		if ca, err := readCert(file); err != nil {
			f.add(Fault, "correct tls.client_ca", "other authorities, %s: %v", file, err)
		} else {
			f.ending("the authority in "+file, ca.NotAfter, now, "bring its successor", false)
		}
	}
	return f.or("the authority and the server's certificate are good")
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (p *Patient) lookAtCA(f *findings, in func(string) string) {
	if !exists(in("ca.pem")) && !exists(in("ca.key")) {
		f.add(OK, "", "the next start makes an authority")
		return
	}
	ca, ok := certFile{"the authority", in("ca.pem"), in("ca.key")}.load(f)
	if !ok {
		return
	}
	if !ca.IsCA {
		f.add(Fault, "bring ca.pem and ca.key of an authority", "ca.pem is not the certificate of an authority")
		return
	}
	now := p.Now()
	const do = "begin a rollover, and have all clients enrol before it ends: takhost cert rollover"
	f.ending("the authority", ca.NotAfter, now, do, false)
	if left, life := ca.NotAfter.Sub(now), p.Config.PKI.Client.Std(); left > 30*day && left < life && !exists(in("former.pem")) {
		f.add(Note, do, "the authority ends on %s, before certificates that are issued now would (pki.client)", ca.NotAfter.Local().Format(time.DateOnly))
	}
}

// lookAtList looks at the revocation list, which the server signs again and again.
func (p *Patient) lookAtList(f *findings, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		return // there is none yet, or the others tell that nothing can be read
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			f.add(Fault, "remove it and start the server, which writes it anew", "the list of revoked certificates %s cannot be read: %v", file, err)
			return
		}
		if p.Now().After(list.NextUpdate) {
			level, do := Fault, "the log says why it is not signed again"
			if p.Running == nil {
				level, do = Note, "the next start signs it again"
			}
			f.add(level, do, "the list of revoked certificates is out of date since %s", list.NextUpdate.Local().Format(time.DateTime))
			return
		}
	}
}

// lackingAny gives the names of public that a certificate is not for.
func lackingAny(cert *x509.Certificate, public []string) (names []string) {
	for _, text := range public {
		if p, err := config.ParsePublic(text); err == nil && cert.VerifyHostname(p.Host) != nil {
			names = append(names, p.Host)
		}
	}
	return names
}

// checkWeb looks at what listen.web shows.
func checkWeb(_ context.Context, p *Patient) []Finding {
	var f findings
	c := p.Config
	if c.Listen.Web == "" {
		return nil
	}
	switch c.Web.Certificate {
	case config.WebFiles:
		pair := certFile{"the web certificate", c.Web.Cert, c.Web.Key}
		if leaf, ok := pair.load(&f); ok {
			f.ending(pair.what, leaf.NotAfter, p.Now(), "renew it: the server reads the files again when they change", false)
			for _, name := range lacking(leaf, c.Public, "web") {
				f.add(Warning, "have one issued for it", "the web certificate is not for %s: phones refuse it", name)
			}
		}
	case config.WebACME:
		p.lookAtACME(&f)
	default:
		return f.or("of the server's own authority: browsers warn, and iTAK does not enrol")
	}
	return f.or("good")
}

// lookAtACME looks at what was got from the authority, in the folders of certmagic:
// certificates/AUTHORITY/NAME/NAME.crt.
func (p *Patient) lookAtACME(f *findings) {
	for _, text := range p.Config.Public {
		e, err := config.ParsePublic(text)
		if err != nil || e.Listener != "" && e.Listener != "web" || isAddr(e.Host) {
			continue
		}
		name := strings.ToLower(e.Host)
		found, err := filepath.Glob(filepath.Join(p.Config.Data, "acme", "certificates", "*", name, name+".crt"))
		if err != nil || len(found) == 0 {
			do := "start the server: it gets one"
			if p.Running != nil {
				do = "the log says why: does port 80 or 443 of the name lead here?"
			}
			f.add(Warning, do, "there is no certificate for %s yet: until then the server shows its own", e.Host)
			continue
		}
		newest, problem := (*x509.Certificate)(nil), error(nil)
		for _, file := range found {
			cert, err := readCert(file)
			if err != nil {
				problem = fmt.Errorf("%s: %w", file, err)
			} else if newest == nil || cert.NotAfter.After(newest.NotAfter) {
				newest = cert
			}
		}
		if newest == nil {
			f.add(Fault, "remove it and restart the server, which gets another", "%v", problem)
			continue
		}
		f.ending("the certificate for "+e.Host, newest.NotAfter, p.Now(), "the log says why it is not renewed: does port 80 or 443 of the name lead here?", p.Running == nil)
	}
}
