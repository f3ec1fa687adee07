package call

import (
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// identity answers who a user is, which groups a set has, or whose a certificate is.
func (c *Call) identity(in, dst []byte) ([]byte, error) {
	const op = hostapi.HostIdentity
	if c.p.env.Identity == nil {
		return nil, notYet(op)
	}
	var q wire.IdentityQuery
	if err := decode(op, in, &q); err != nil {
		return nil, err
	}
	is, err := c.p.env.Identity.Identity(&q)
	if err != nil {
		return nil, err
	}
	return is.Append(dst), nil
}
