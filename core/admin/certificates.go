package admin

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

// Certificate is what is known of a certificate that was given out.
type Certificate struct {
	Serial      string     `json:"serial" doc:"Hex" example:"5f3a90"`
	User        string     `json:"user" example:"ann"`
	Device      string     `json:"device,omitempty" doc:"Client uid, as far as known"`
	Kind        string     `json:"kind" enum:"enrolled,package,feed,server,imported" doc:"enrolled: a device asked for it; package: with its key in a package; feed: for a machine"`
	State       string     `json:"state" enum:"active,replaced,expired,revoked" doc:"replaced: its device has a newer one; it is good for 24 hours more"`
	Subject     string     `json:"subject"`
	Issuer      string     `json:"issuer"`
	Fingerprint string     `json:"fingerprint" doc:"SHA-256"`
	Channels    bool       `json:"channels" doc:"Its device may choose channels"`
	NotBefore   time.Time  `json:"not_before"`
	NotAfter    time.Time  `json:"not_after"`
	Issued      time.Time  `json:"issued"`
	Enrolment   string     `json:"enrolment,omitempty" doc:"Id of the enrolment code that it was got by"`
	Replaced    *time.Time `json:"replaced,omitempty"`
	Revoked     *time.Time `json:"revoked,omitempty"`
	Reason      string     `json:"reason,omitempty" doc:"Of the revocation"`
	RevokedBy   string     `json:"revoked_by,omitempty"`
	PEM         string     `json:"pem,omitempty" doc:"Only where one certificate is asked for"`
}

// CertificatePage is a page of the list of certificates.
type CertificatePage struct {
	Certificates []Certificate `json:"certificates" nullable:"false"`
	Next         string        `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

// CertificateInput is what a request for a certificate brings.
type CertificateInput struct {
	User     string `json:"user" minLength:"1" maxLength:"64" example:"weather-feed"`
	CSR      string `json:"csr,omitempty" maxLength:"65536" doc:"PKCS#10 in PEM; the key and nothing else is taken from it. None: the server makes a key"`
	Life     string `json:"life,omitempty" maxLength:"32" doc:"How long, such as 90d; none: as configured. It ends with the authority at the latest" example:"90d"`
	Channels bool   `json:"channels,omitempty" doc:"Its device may choose channels"`
}

// NewCertificate has the key, this once.
type NewCertificate struct {
	Certificate
	Key   string `json:"key,omitempty" doc:"PKCS#8 in PEM, if the server made it. It is not kept."`
	Chain string `json:"chain" doc:"In PEM: what a client trusts"`
}

// Revoke is what a request to revoke brings.
type Revoke struct {
	Reason string `json:"reason,omitempty" maxLength:"256" doc:"For people" example:"phone lost"`
}

// InCertificate names the certificate in a path.
type InCertificate struct {
	Serial string `path:"serial" maxLength:"64" doc:"Serial in hex" example:"5f3a90"`
}

func (r registrar) certificates() {
	const tag = "certificates"
	ids := r.d.Identity

	huma.Register(r.api, openapi.Anyone(r.op("GET", "/certificates", "certificates", tag, "Certificates of clients",
		"By serial. Administrators and operators see those of all users, others their own.")),
		func(ctx context.Context, in *struct {
			web.Paging
			User  string `query:"user" doc:"Only those of this user"`
			State string `query:"state" enum:"active,replaced,expired,revoked" doc:"Only those in this state"`
		}) (*Answer[CertificatePage], error) {
			user, err := r.ofUser(ctx, in.User, isOperator)
			if err != nil {
				return nil, err
			}
			var all []Certificate
			for _, c := range ids.Certificates(identity.CertificateFilter{User: user, State: in.State}) {
				all = append(all, certificateOf(c, r.d.now()))
			}
			key := func(c Certificate) string { return c.Serial }
			list, next := page(sortedBy(all, key), in.Paging, key)
			return answer(CertificatePage{list, next}, nil)
		})

	huma.Register(r.api, openapi.Anyone(r.op("GET", "/certificates/{serial}", "certificate", tag, "One certificate", "With its PEM.", missing)),
		func(ctx context.Context, in *InCertificate) (*Answer[Certificate], error) {
			c, ok := ids.Certificate(in.Serial)
			caller := web.CallerOf(ctx)
			if !ok || !isOperator(caller) && (caller.User == "" || c.User != caller.User) {
				return nil, notFoundf("there is no certificate %s", clip(in.Serial))
			}
			out := certificateOf(c, r.d.now())
			out.PEM = c.PEM
			return answer(out, nil)
		})

	huma.Register(r.api, created(admins(r.op("POST", "/certificates", "certificate-add", tag, "Issue a certificate",
		"For a machine that sends events, or any client that cannot enrol.", missing))),
		func(ctx context.Context, in *struct{ Body CertificateInput }) (*Answer[NewCertificate], error) {
			return answer(r.newCertificate(ctx, &in.Body))
		})

	huma.Register(r.api, admins(r.op("POST", "/certificates/{serial}/revoke", "certificate-revoke", tag, "Revoke a certificate",
		"Connections by it are cut within a second, and it opens nothing any more.", missing, clash)),
		func(ctx context.Context, in *struct {
			InCertificate
			Body Revoke
		}) (*Answer[Certificate], error) {
			if err := ids.RevokeCertificate(ctx, actor(ctx), in.Serial, in.Body.Reason); err != nil {
				return nil, problemOf(err)
			}
			c, ok := ids.Certificate(in.Serial)
			if !ok {
				return nil, notFoundf("there is no certificate %s", clip(in.Serial))
			}
			return answer(certificateOf(c, r.d.now()), nil)
		})
}

// newCertificate issues a certificate. It leaves only after it is recorded: one
// that nobody knows of could not be revoked.
func (r registrar) newCertificate(ctx context.Context, in *CertificateInput) (out NewCertificate, err error) {
	u, err := r.user(in.User)
	if err != nil {
		return out, err
	}
	leaf := pki.Leaf{CommonName: u.Name, Channels: in.Channels}
	if in.Life != "" {
		if leaf.Life, err = span(in.Life); err != nil || leaf.Life < time.Minute || leaf.Life > maxUntil {
			return out, invalidf("life: %q is no time such as 90d or 12h", clip(in.Life))
		}
	}
	cert, key, err := r.issue(ctx, leaf, in.CSR)
	if err != nil {
		return out, err
	}
	record := identity.NewCertificate(cert, identity.KindFeed, u.Name, "")
	record.Channels = in.Channels
	if err := r.d.Identity.AddCertificate(ctx, actor(ctx), record); err != nil {
		return out, err
	}
	out.Certificate = certificateOf(record, r.d.now())
	out.PEM = string(pemOf(cert))
	out.Chain = string(pemOf(r.d.PKI.Chain()...))
	if key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return out, err
		}
		out.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	return out, nil
}

// issue signs the key of a request, or one that is made here.
func (r registrar) issue(ctx context.Context, leaf pki.Leaf, csr string) (*x509.Certificate, crypto.Signer, error) {
	if csr == "" {
		pair, err := r.d.PKI.Issue(ctx, leaf)
		if err != nil {
			return nil, nil, err
		}
		return pair.Cert, pair.Key, nil
	}
	req, err := r.d.PKI.ParseCSR([]byte(csr))
	if err != nil {
		return nil, nil, invalidf("csr: %s", err)
	}
	cert, err := r.d.PKI.Sign(req.PublicKey, leaf)
	return cert, nil, err
}

func certificateOf(c identity.Certificate, now time.Time) Certificate {
	out := Certificate{
		Serial: c.Serial, User: c.User, Device: c.ClientUID, Kind: c.Kind, State: identity.StateActive, Subject: c.Subject, Issuer: c.Issuer,
		Fingerprint: c.Fingerprint, Channels: c.Channels, NotBefore: c.NotBefore, NotAfter: c.NotAfter, Issued: c.Issued,
		Enrolment: c.Enrolment, Replaced: c.Replaced, Revoked: c.Revoked, Reason: c.Reason, RevokedBy: c.RevokedBy,
	}
	switch {
	case c.Revoked != nil:
		out.State = identity.StateRevoked
	case !now.Before(c.NotAfter):
		out.State = identity.StateExpired
	case c.Replaced != nil:
		out.State = identity.StateReplaced
	}
	return out
}
