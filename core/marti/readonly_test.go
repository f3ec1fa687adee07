package marti_test

import (
	"net/http"
	"testing"
)

// Who may only read has all that reads, whatever its method, and chooses what
// he sees; nothing else that changes something.
func TestReadonly(t *testing.T) {
	b := newBed(t)
	blue := b.set(b.group("Blue"))
	b.user("eve", "readonly", "Blue")
	eve, _ := b.with("eve", "ANDROID-E", true)
	b.event("bob", "ANDROID-B", blue, `<event version="2.0" uid="ANDROID-B" type="a-f-G" how="m-g" time="2026-01-01T00:00:00Z" start="2026-01-01T00:00:00Z" stale="2026-01-01T00:01:00Z"><point lat="1" lon="2" hae="0" ce="1" le="1"/><detail/></event>`)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		eve.do(method, "/Marti/api/cot", `["ANDROID-B"]`).is(200, "application/xml")
	}
	eve.do(http.MethodPut, "/Marti/api/groups/active?clientUid=ANDROID-E", `[{"name":"Blue","direction":"OUT","active":false}]`).is(200, "")
	eve.do(http.MethodPut, "/Marti/api/groups/activebits?clientUid=ANDROID-E", `[]`).is(200, "")
	eve.do(http.MethodPost, "/Marti/api/subscriptions/incognito/ANDROID-E", "").refused(403, "only read")
	eve.do(http.MethodPut, "/Marti/api/groups/activeForce?username=eve", `[]`).refused(403, "role admin")
}
