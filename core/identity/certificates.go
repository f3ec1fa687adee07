package identity

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi/wire"
)

const (
	// replacedFor is how long a device's former certificate is good after it got
	// a new one: the answer with the new one may have been lost.
	replacedFor = 24 * time.Hour

	// expiredFor is how long the records of certificates stay that have ended.
	expiredFor = 90 * 24 * time.Hour
)

// channelsUsage is the extended key usage of certificates whose devices choose
// channels (spec/tak-marti.md 4, 5).
const channelsUsage = "1.2.840.113549.1.9.7"

// SerialText gives a serial number as records have it: hex, lower case, without
// leading zeros.
func SerialText(serial *big.Int) string { return serial.Text(16) }

// serialKey takes the forms in which people and other programs write one.
func serialKey(serial string) string {
	return strings.TrimLeft(strings.ToLower(strings.ReplaceAll(serial, ":", "")), "0")
}

// Fingerprint gives the SHA-256 of a certificate in upper case hex with colons.
func Fingerprint(cert *x509.Certificate) string {
	hash := sha256.Sum256(cert.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", hash[:]), " ", ":")
}

// NewCertificate describes a certificate; it was issued now. One that no device
// has asked for, so that it is not known where it will be, is a device by itself.
func NewCertificate(cert *x509.Certificate, kind, user, clientUID string) Certificate {
	c := Certificate{
		Serial: SerialText(cert.SerialNumber), Fingerprint: Fingerprint(cert), User: user, ClientUID: clientUID,
		Subject: cert.Subject.String(), Issuer: cert.Issuer.String(),
		PEM:       string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})),
		NotBefore: cert.NotBefore.UTC(), NotAfter: cert.NotAfter.UTC(), Kind: kind,
	}
	if c.ClientUID == "" && kind != KindEnrolled {
		c.ClientUID = "certificate-" + c.Serial
	}
	for _, usage := range cert.UnknownExtKeyUsage {
		c.Channels = c.Channels || usage.String() == channelsUsage
	}
	return c
}

// State gives the state that the certificate is in.
func (c *Certificate) State(now time.Time) string {
	switch {
	case c.Revoked != nil:
		return StateRevoked
	case !now.Before(c.NotAfter):
		return StateExpired
	case c.Replaced != nil:
		return StateReplaced
	}
	return StateActive
}

// der gives the certificate itself.
func (c *Certificate) der() []byte {
	if block, _ := pem.Decode([]byte(c.PEM)); block != nil {
		return block.Bytes
	}
	return nil
}

// AddCertificate records a certificate that was given out. The one that the same
// device of the same user had before is replaced: it is good for 24 hours more.
// That of another user stays, or anybody could do away with it by naming its
// device.
func (s *Service) AddCertificate(ctx context.Context, by Actor, c Certificate) error {
	return s.change(ctx, by, func(d *draft) error { return d.addCertificate(&c) })
}

func (d *draft) addCertificate(given *Certificate) error {
	c := *given
	c.Serial = serialKey(c.Serial)
	if err := c.check(); err != nil {
		return err
	}
	print, err := parseDigest(c.Fingerprint, ":")
	if err != nil {
		return invalid("certificate %s: %v", c.Serial, err)
	}
	if d.certs.get(c.Serial) != nil || d.prints.get(print) != nil {
		return conflict("certificate %s: is recorded already", c.Serial)
	}
	if c.Kind != KindServer {
		a := d.user(c.User)
		if a == nil {
			return notFound("certificate %s: there is no user %s", c.Serial, c.User)
		}
		c.User = a.Name
	}
	if c.Issued.IsZero() {
		c.Issued = d.now
	}
	c.Issued, c.NotBefore, c.NotAfter = micros(c.Issued), micros(c.NotBefore), micros(c.NotAfter)
	c.Revoked, c.Replaced, c.Reason, c.RevokedBy = nil, nil, "", ""
	if c.ClientUID != "" && c.Kind != KindServer {
		for _, old := range d.certs.m {
			if old.User == c.User && old.ClientUID == c.ClientUID && old.Revoked == nil && old.Replaced == nil {
				replaced := *old
				replaced.Replaced = &d.now
				d.putCertificate(&replaced)
			}
		}
	}
	d.putCertificate(&c)
	detail := c.Kind + " of " + c.User
	if c.ClientUID != "" {
		detail += " for " + c.ClientUID
	}
	d.note("certificate.add", c.Serial, detail+" until "+c.NotAfter.Format(time.RFC3339))
	return nil
}

func (c *Certificate) check() error {
	if n, ok := new(big.Int).SetString(c.Serial, 16); !ok || n.Sign() <= 0 || len(c.Serial) > 64 {
		return invalid("certificate: %q is not a serial number", c.Serial)
	}
	if !slices.Contains([]string{KindEnrolled, KindPackage, KindFeed, KindServer, KindImported}, c.Kind) {
		return invalid("certificate %s: %q is not a kind of certificates", c.Serial, c.Kind)
	}
	if err := checkDevice(c.ClientUID); err != nil {
		return err
	}
	if !c.NotBefore.Before(c.NotAfter) {
		return invalid("certificate %s: ends before it begins", c.Serial)
	}
	return nil
}

func (d *draft) putCertificate(c *Certificate) {
	print, _ := parseDigest(c.Fingerprint, ":") // was checked when it came in
	d.certs.set(c.Serial, c)
	d.prints.set(print, c)
	d.save(c.record())
}

func (d *draft) revoke(was *Certificate, reason string) {
	c := *was
	c.Revoked, c.Reason, c.RevokedBy = &d.now, reason, d.by.User
	d.putCertificate(&c)
	d.change.Certificates = append(d.change.Certificates, c.Serial)
}

// RevokeCertificate revokes a certificate for good. Once more changes nothing.
func (s *Service) RevokeCertificate(ctx context.Context, by Actor, serial, reason string) error {
	if err := checkText("reason", reason); err != nil {
		return err
	}
	return s.change(ctx, by, func(d *draft) error {
		c := d.certs.get(serialKey(serial))
		switch {
		case c == nil:
			return notFound("certificate %s: is not known", serial)
		case c.Kind == KindServer:
			return invalid("certificate %s: is that of the server", serial)
		case c.Revoked != nil:
			return nil
		}
		d.revoke(c, reason)
		d.note("certificate.revoke", c.Serial, strings.TrimSuffix("of "+c.User+": "+reason, ": "))
		return nil
	})
}

// Certificates gives those that match, the last one issued first.
func (s *Service) Certificates(f CertificateFilter) []Certificate {
	st, now := s.state.Load(), s.opt.Now()
	key := fold(f.User)
	all := []Certificate{}
	for _, c := range st.certs.m {
		if (f.User == "" || fold(c.User) == key) && (f.ClientUID == "" || c.ClientUID == f.ClientUID) &&
			(f.Kind == "" || c.Kind == f.Kind) && (f.State == "" || c.State(now) == f.State) {
			all = append(all, c.show())
		}
	}
	slices.SortFunc(all, func(a, b Certificate) int { return cmp.Or(b.Issued.Compare(a.Issued), cmp.Compare(a.Serial, b.Serial)) })
	return all
}

// Certificate gives the one of that serial number.
func (s *Service) Certificate(serial string) (Certificate, bool) {
	c := s.state.Load().certs.get(serialKey(serial))
	if c == nil {
		return Certificate{}, false
	}
	return c.show(), true
}

func (c *Certificate) show() Certificate {
	copied := *c
	copied.Replaced, copied.Revoked = copyTime(c.Replaced), copyTime(c.Revoked)
	return copied
}

// Revoked gives what belongs into a revocation list, by serial number: all that
// are revoked, until a day after they would have ended anyway.
func (s *Service) Revoked() []RevokedEntry {
	st, now := s.state.Load(), s.opt.Now()
	all := []RevokedEntry{}
	for _, c := range st.certs.m {
		if c.Revoked == nil || now.Sub(c.NotAfter) > 24*time.Hour {
			continue
		}
		if n, ok := new(big.Int).SetString(c.Serial, 16); ok {
			all = append(all, RevokedEntry{Serial: n, At: *c.Revoked})
		}
	}
	slices.SortFunc(all, func(a, b RevokedEntry) int { return a.Serial.Cmp(b.Serial) })
	return all
}

// ByCertificate lets the user of a certificate in, which TLS has checked: that
// of its record, or for one without, as those of other authorities, that of its
// CN. The error is a *Refusal. Caller.Client is the device's uid as recorded; its
// channels count if the certificate has their key usage.
func (s *Service) ByCertificate(cert *x509.Certificate) (*wire.Caller, error) {
	caller, refusal := s.byCertificate(cert)
	if refusal != nil {
		s.metrics.refused(refusal.Reason)
		return nil, refusal
	}
	return caller, nil
}

// withoutRule leaves out the roles by which somebody runs the server.
func withoutRule(roles []string) []string {
	left := slices.DeleteFunc(slices.Clone(roles), func(r string) bool { return r == RoleAdmin || r == RoleOperator })
	if len(left) == 0 {
		left = []string{RoleUser}
	}
	return left
}

func (s *Service) byCertificate(cert *x509.Certificate) (*wire.Caller, *Refusal) {
	st, now := s.state.Load(), s.opt.Now()
	c := st.prints.get(sha256.Sum256(cert.Raw))
	name := cert.Subject.CommonName
	if c != nil {
		name = c.User
	}
	refuse := func(reason, detail string) (*wire.Caller, *Refusal) {
		return nil, &Refusal{Reason: reason, User: name, Serial: SerialText(cert.SerialNumber), Subject: cert.Subject.String(), Detail: detail}
	}
	var a *account
	if name != "" {
		a = st.user(name)
	}
	switch {
	case c != nil && c.Kind == KindServer:
		return refuse(ReasonUnknown, "it is the server's own")
	case c != nil && a == nil:
		return refuse(ReasonRemoved, "its user was removed")
	case c != nil && c.Revoked != nil:
		return refuse(ReasonRevoked, c.Reason)
	case !now.Before(cert.NotAfter):
		return refuse(ReasonExpired, "it ended "+cert.NotAfter.UTC().Format(time.RFC3339))
	case a == nil:
		return refuse(ReasonUnknown, "there is no user of this name")
	}
	if reason, detail := a.refused(now); reason != "" {
		return refuse(reason, detail)
	}
	caller := a.caller()
	caller.CertificateSerial = SerialText(cert.SerialNumber)
	if c == nil {
		// The name alone says who he is, and somebody else may have written it: an
		// authority of the configuration, or whoever had the one that was brought.
		caller.Roles = withoutRule(a.Roles)
	} else {
		caller.Client = c.ClientUID
		in, out := a.sets(c.ClientUID, c.Channels)
		caller.InSet, caller.OutSet = int32(in), int32(out)
	}
	return caller, nil
}
