package admin

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

const pemType = "application/x-pem-file"

// Authority is a certificate authority that clients' certificates come from.
type Authority struct {
	Subject   string    `json:"subject"`
	Serial    string    `json:"serial" doc:"Hex"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Issues    bool      `json:"issues" doc:"New certificates come from it; others are only trusted"`
}

// AuthorityList is what the server trusts.
type AuthorityList struct {
	Authorities []Authority `json:"authorities" nullable:"false"`
}

// Revocation is one revoked certificate.
type Revocation struct {
	Serial string    `json:"serial" doc:"Hex"`
	At     time.Time `json:"at"`
}

// RevocationPage is a page of the list of revoked certificates.
type RevocationPage struct {
	Revocations []Revocation `json:"revocations" nullable:"false"`
	Next        string       `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

func (r registrar) authority() {
	const tag = "certificates"

	get := openapi.Anyone(r.op("GET", "/ca", "ca", tag, "Certificate of the authority", "In PEM, with those above it, if any: what a client trusts."))
	get.Responses["200"] = binary("PEM", pemType)
	huma.Register(r.api, get, func(context.Context, *struct{}) (*Bytes, error) {
		return &Bytes{pemType, `attachment; filename="ca.pem"`, pemOf(r.d.PKI.Chain()...)}, nil
	})

	crl := openapi.Anyone(r.op("GET", "/crl", "crl", tag, "Revocation list", "In PEM, signed by the authority; during a rollover one of each."))
	crl.Responses["200"] = binary("PEM", pemType)
	huma.Register(r.api, crl, func(context.Context, *struct{}) (*Bytes, error) {
		return &Bytes{pemType, `attachment; filename="crl.pem"`, r.d.PKI.CRL()}, nil
	})

	huma.Register(r.api, openapi.Anyone(r.op("GET", "/revocations", "revocations", tag, "Revoked certificates", "By serial. It is in force at once on all listeners.")),
		func(_ context.Context, in *struct{ web.Paging }) (*Answer[RevocationPage], error) {
			var all []Revocation
			for _, e := range r.d.Identity.Revoked() {
				all = append(all, Revocation{identity.SerialText(e.Serial), e.At})
			}
			key := func(v Revocation) string { return v.Serial }
			list, next := page(sortedBy(all, key), in.Paging, key)
			return answer(RevocationPage{list, next}, nil)
		})

	huma.Register(r.api, operators(r.op("GET", "/ca/authorities", "authorities", tag, "Trusted authorities", "The own one, a former one during a rollover, and those of the configuration.")),
		func(context.Context, *struct{}) (*Answer[AuthorityList], error) { return answer(r.authorities(), nil) })

	huma.Register(r.api, admins(r.op("POST", "/ca/rollover", "ca-rollover", tag, "Begin to use a new authority",
		"Certificates come from the new one from now on: next.pem and next.key in the folder pki, if they are there, or one that is made. "+
			"The old one stays trusted until the rollover is finished; until then all devices need a package with the new one, and a new certificate.", clash)),
		func(ctx context.Context, _ *struct{}) (*Answer[AuthorityList], error) {
			return r.rolled(ctx, "ca.rollover", r.d.PKI.Rollover)
		})

	huma.Register(r.api, admins(r.op("POST", "/ca/rollover/finish", "ca-rollover-finish", tag, "Trust the former authority no longer",
		"Devices that have not enrolled anew are not let in any more.", clash)),
		func(ctx context.Context, _ *struct{}) (*Answer[AuthorityList], error) {
			return r.rolled(ctx, "ca.rollover-finish", r.d.PKI.FinishRollover)
		})
}

func (r registrar) rolled(ctx context.Context, action string, do func(context.Context) error) (*Answer[AuthorityList], error) {
	err := do(ctx)
	r.d.Identity.Record(ctx, actor(ctx), action, "ca", "", err == nil)
	if errors.Is(err, pki.ErrRollover) || errors.Is(err, pki.ErrNoRollover) {
		err = openapi.NewProblem(clash, err.Error())
	}
	return answer(r.authorities(), err)
}

func (r registrar) authorities() AuthorityList {
	list := AuthorityList{Authorities: []Authority{}}
	own := r.d.PKI.CA()
	for _, c := range r.d.PKI.Trusted() {
		list.Authorities = append(list.Authorities, Authority{
			Subject: c.Subject.String(), Serial: identity.SerialText(c.SerialNumber), NotBefore: c.NotBefore, NotAfter: c.NotAfter, Issues: c.Equal(own),
		})
	}
	return list
}

// pemOf writes certificates one after the other.
func pemOf(certs ...*x509.Certificate) []byte {
	var b strings.Builder
	for _, c := range certs {
		// A strings.Builder takes everything.
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
	}
	return []byte(b.String())
}
