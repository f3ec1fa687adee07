package marti

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
)

const (
	tagCertificates = "certificates"
	certificateType = "TakCert"
)

// Certificate is what is known of a certificate that was given out (5).
type Certificate struct {
	ID             int64  `json:"id" doc:"Made of the hash"`
	CreatorDN      string `json:"creatorDn" doc:"Who asked for it"`
	SubjectDN      string `json:"subjectDn"`
	UserDN         string `json:"userDn" doc:"Name of its user"`
	Certificate    string `json:"certificate" doc:"PEM"`
	Hash           string `json:"hash" doc:"SHA-256 of the certificate"`
	ClientUID      string `json:"clientUid"`
	IssuanceDate   string `json:"issuanceDate"`
	ExpirationDate string `json:"expirationDate"`
	EffectiveDate  string `json:"effectiveDate"`
	RevocationDate string `json:"revocationDate,omitempty"`
	Token          string `json:"token" doc:"Always empty: secrets are not kept"`
	SerialNumber   string `json:"serialNumber"`
}

type hashInput struct {
	Hash string `path:"hash" doc:"SHA-256 of the certificate in hex, with colons or without"`
}

type idsInput struct {
	IDs string `path:"ids" doc:"Ids of certificates, with commas between them"`
}

func (a *api) certificateOperations() {
	const base = "/Marti/api/certadmin/cert"
	o := func(method, path, id, summary string, answers map[string]*huma.Response) op {
		return op{
			method: method, path: base + path, id: id, tag: tagCertificates, on: onAll, summary: summary,
			answers: answers, access: forAdmin,
		}
	}
	list := func() map[string]*huma.Response { return ok[envelope[[]Certificate]](a, "The certificates") }
	one := func() map[string]*huma.Response {
		return with(ok[envelope[Certificate]](a, "The certificate"), "500", "There is none, as from the official server")
	}
	add(a, o(http.MethodGet, "", "certificates", "Certificates that were given out", list()),
		func(c *call, in *struct {
			Username string `query:"username" doc:"Of this user"`
		}) (*reply, error) {
			return c.certificates(identity.CertificateFilter{User: in.Username})
		})
	for _, state := range []string{identity.StateActive, identity.StateReplaced, identity.StateExpired, identity.StateRevoked} {
		add(a, o(http.MethodGet, "/"+state, "certificates-"+state, "Certificates that are "+state, list()),
			func(c *call, _ *none) (*reply, error) {
				return c.certificates(identity.CertificateFilter{State: state})
			})
	}
	add(a, o(http.MethodGet, "/{hash}", "certificate", "One certificate", one()), func(c *call, in *hashInput) (*reply, error) {
		cert, err := c.byHash(in.Hash)
		if err != nil {
			return nil, err
		}
		return enveloped(c.api, certificateType, certificateOf(&cert))
	})
	add(a, o(http.MethodDelete, "/{hash}", "certificate-revoke", "Revoke a certificate", one()), func(c *call, in *hashInput) (*reply, error) {
		cert, err := c.byHash(in.Hash)
		if err != nil {
			return nil, err
		}
		list, err := c.revoke([]identity.Certificate{cert})
		if err != nil {
			return nil, err
		}
		return enveloped(c.api, certificateType, list[0])
	})
	add(a, o(http.MethodDelete, "/revoke/{ids}", "certificates-revoke", "Revoke certificates", with(list(), "404", "One of them is not known; nothing was revoked")),
		func(c *call, in *idsInput) (*reply, error) {
			certs, err := c.byIDs(in.IDs)
			if err != nil {
				return nil, err
			}
			list, err := c.revoke(certs)
			if err != nil {
				return nil, err
			}
			return enveloped(c.api, certificateType, list)
		})
	pem := with(okAs("application/x-pem-file", "The certificate"), "500", "There is none, as from the official server")
	add(a, o(http.MethodGet, "/{hash}/download", "certificate-download", "One certificate as PEM", pem), func(c *call, in *hashInput) (*reply, error) {
		cert, err := c.byHash(in.Hash)
		if err != nil {
			return nil, err
		}
		return (&reply{contentType: "application/x-pem-file", body: []byte(cert.PEM)}).set("Content-Disposition", `attachment; filename="cert.pem"`), nil
	})
	add(a, o(http.MethodGet, "/download/{ids}", "certificates-download", "Certificates as PEM in a zip", with(okAs(zipType, "The certificates"), "404", "One of them is not known")), downloadCertificates)
}

func (c *call) certificates(f identity.CertificateFilter) (*reply, error) {
	list := []Certificate{}
	for _, cert := range c.Identity.Certificates(f) {
		list = append(list, certificateOf(&cert))
	}
	return enveloped(c.api, certificateType, list)
}

func certificateOf(cert *identity.Certificate) Certificate {
	out := Certificate{
		ID: idOf(cert), CreatorDN: cert.User, SubjectDN: cert.Subject, UserDN: cert.User, Certificate: cert.PEM, Hash: cert.Fingerprint,
		ClientUID: cert.ClientUID, IssuanceDate: stamp(cert.Issued), ExpirationDate: stamp(cert.NotAfter), EffectiveDate: stamp(cert.NotBefore),
		SerialNumber: cert.Serial,
	}
	if cert.Revoked != nil {
		out.RevocationDate = stamp(*cert.Revoked)
	}
	return out
}

// idOf makes a number of a certificate, as clients need one: the first 48 bits
// of its hash, which JavaScript can hold.
func idOf(cert *identity.Certificate) int64 {
	sum, err := hex.DecodeString(strings.ReplaceAll(cert.Fingerprint, ":", ""))
	if err != nil || len(sum) < 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(sum) >> 16)
}

// byHash finds a certificate. One that is not known is answered with 500: that
// is how node-tak knows that of the official server, and any other status is a
// failure to it.
func (c *call) byHash(hash string) (identity.Certificate, error) {
	plain := func(s string) string { return strings.ReplaceAll(strings.ToUpper(s), ":", "") }
	for _, cert := range c.Identity.Certificates(identity.CertificateFilter{}) {
		if plain(cert.Fingerprint) == plain(hash) {
			return cert, nil
		}
	}
	return identity.Certificate{}, faultf(http.StatusInternalServerError, "there is no certificate with this hash")
}

// byIDs finds all of them or none.
func (c *call) byIDs(ids string) ([]identity.Certificate, error) {
	var list []identity.Certificate
	all := c.Identity.Certificates(identity.CertificateFilter{})
	for text := range strings.SplitSeq(ids, ",") {
		id, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil {
			return nil, invalidf("Invalid Request: ids are numbers with commas between them")
		}
		i := slices.IndexFunc(all, func(cert identity.Certificate) bool { return idOf(&cert) == id })
		if i < 0 {
			return nil, notFoundf("Not Found: there is no certificate %d", id)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// revoke revokes those that are not yet, and gives them as they are then.
func (c *call) revoke(certs []identity.Certificate) ([]Certificate, error) {
	list := []Certificate{}
	for _, cert := range certs {
		if cert.Revoked == nil {
			if err := c.Identity.RevokeCertificate(c, c.actor(), cert.Serial, "revoked by an administrator"); err != nil {
				return nil, err
			}
			cert, _ = c.Identity.Certificate(cert.Serial)
		}
		list = append(list, certificateOf(&cert))
	}
	return list, nil
}

func downloadCertificates(c *call, in *idsInput) (*reply, error) {
	certs, err := c.byIDs(in.IDs)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, cert := range certs {
		w, err := z.Create(fmt.Sprintf("%d_%s_ClientCert.pem", i, fileName(cert.User)))
		if err != nil {
			return nil, fmt.Errorf("pack certificates: %w", err)
		}
		if _, err := w.Write([]byte(cert.PEM)); err != nil {
			return nil, fmt.Errorf("pack certificates: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack certificates: %w", err)
	}
	return (&reply{contentType: zipType, body: b.Bytes()}).set("Content-Disposition", "attachment; filename=certs.zip"), nil
}

// fileName leaves of a name what every file system takes.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`\/:*?"<>|`, r) || r < ' ' {
			return '_'
		}
		return r
	}, s)
}
