package call

import (
	"testing"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// people is an Identity.
type people map[string]*wire.Identity

func (p people) Identity(q *wire.IdentityQuery) (*wire.Identity, error) {
	if is := p[q.User]; is != nil {
		return is, nil
	}
	return nil, &store.Error{Code: store.NotFound, Msg: "there is no user " + q.User}
}

func TestIdentity(t *testing.T) {
	b := newBed(t)
	b.env.Identity = people{"anna": {User: "anna", Roles: []string{"operator"}, OutSet: 4, Certificate: []byte{1}}}
	p := b.plugin("p", hostapi.Grants{hostapi.CapIdentityRead: {}})
	for name, o := range map[string]Options{"a call": {}, "one that only reads": {ReadOnly: true}, "a trial": {Trial: true}} {
		t.Run(name, func(t *testing.T) {
			c := p.Begin(o)
			defer c.Discard()
			var is wire.Identity
			out := b.ok(c, hostapi.HostIdentity, &wire.IdentityQuery{User: "anna"})
			if err := is.Decode(out); err != nil || is.User != "anna" || len(is.Roles) != 1 || is.OutSet != 4 || len(is.Certificate) != 1 {
				t.Errorf("got %+v, %v", is, err)
			}
			b.refused(c, hostapi.HostIdentity, &wire.IdentityQuery{User: "nobody"}, hostapi.NotFound, "there is no user nobody")
			if a := b.raw(c, hostapi.HostIdentity, []byte("\x0a\xff")); a.status != hostapi.Invalid {
				t.Errorf("input that cannot be read: got %v, want invalid", a.status)
			}
		})
	}
	pure := p.Begin(Options{Pure: true})
	defer pure.Discard()
	b.refused(pure, hostapi.HostIdentity, &wire.IdentityQuery{User: "anna"}, hostapi.Forbidden, "")
	bare := b.plugin("bare", nil).Begin(Options{})
	defer bare.Discard()
	b.refused(bare, hostapi.HostIdentity, &wire.IdentityQuery{User: "anna"}, hostapi.Forbidden, "identity.read is not granted")
}
