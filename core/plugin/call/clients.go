package call

import (
	"slices"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// clients lists who is connected: of the granted groups, by those that a client
// may send to.
func (c *Call) clients(in, dst []byte) ([]byte, error) {
	const op = hostapi.HostClients
	var m wire.ClientQuery
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	visible, err := c.visible(op, m.AsCaller)
	if err != nil {
		return dst, err
	}
	env := c.p.env
	groups, bound := env.granted(c.p.grants[op].Groups)
	list := env.Router.Clients(func(in hostapi.SetID) bool {
		return (visible == nil || visible(in)) &&
			(!bound || slices.ContainsFunc(groups, func(g hostapi.GroupID) bool { return env.holds(in, g) }))
	})
	if len(m.UIDs)+len(m.Callsigns) > 0 {
		list = slices.DeleteFunc(list, func(w wire.Client) bool {
			return !slices.Contains(m.UIDs, w.UID) && !slices.Contains(m.Callsigns, w.Callsign)
		})
	}
	answer := wire.Clients{Clients: list}
	return answer.Append(dst), nil
}
