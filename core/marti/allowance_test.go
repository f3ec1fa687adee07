package marti_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/takhost/takhost/core/identity"
)

// Somebody who has an account, be it to read, must not fill the server with
// certificates.
func TestCertificatesAreBounded(t *testing.T) {
	b := newBed(t)
	b.user("ron", "readonly")
	b.user("team", "user")
	b.user("ann", "user")
	ask := func(d *device, name, uid string) *answer {
		csr, _ := b.request(name)
		return d.do(http.MethodPost, "/Marti/api/tls/signClient/v2?clientUid="+uid, csr)
	}
	give := func(user string, n int) {
		t.Helper()
		for i := range n {
			b.must(b.ids.AddCertificate(t.Context(), admin, identity.Certificate{
				Serial: fmt.Sprintf("%x%x", user, i+1), Fingerprint: fmt.Sprintf("%064X", fmt.Sprintf("%.20s%012d", user+"                    ", i)),
				User: user, ClientUID: fmt.Sprint("U-", i), Kind: identity.KindEnrolled,
				NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), Issued: time.Now(),
			}))
		}
	}
	t.Run("one device", func(t *testing.T) {
		ron := b.bearer("web", "ron")
		for range 20 {
			ask(ron, "ron", "ONE").json()
		}
		a := ask(ron, "ron", "ONE")
		a.refused(429, "this device")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		ron.get("/Marti/api/tls/makeClientKeyStore?clientUid=ONE").refused(429, "this device")
		ask(ron, "ron", "OTHER").json()
	})
	t.Run("many devices", func(t *testing.T) {
		give("team", 500)
		ask(b.bearer("web", "team"), "team", "NEW").refused(429, "team got 500")
		// A code says itself how many devices there may be.
		ask(b.at("web").basic("team", b.code(identity.EnrolmentSpec{User: "team", Uses: 10})), "team", "NEW").json()
		ask(b.bearer("web", "ann"), "ann", "NEW").json()
	})
}
