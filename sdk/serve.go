package sdk

import (
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

func (i *Instance) events(c *Call, b Batch, dst []byte) ([]byte, error) {
	c.batch = b
	if i.plugin.Batch != nil {
		return dst, i.plugin.Batch(c, b)
	}
	if i.plugin.Events == nil {
		return nil, unsupported(c.op)
	}
	var res wire.BatchResult
	for n, e := range b.All() {
		before := c.staged
		err := i.plugin.Events(c, e)
		if err == nil {
			continue
		}
		if c.staged != before {
			return nil, err // half of its effects must not be committed with the others
		}
		f := asError(err)
		res.Results = append(res.Results, wire.EventResult{Event: uint32(n), Status: uint32(f.Status), Message: f.Message})
	}
	return res.Append(dst), nil
}

func (i *Instance) filter(c *Call, b Batch, dst []byte) ([]byte, error) {
	if i.plugin.Filter == nil {
		return nil, unsupported(c.op)
	}
	for _, e := range b.All() {
		v, err := i.plugin.Filter(c, e)
		if err != nil {
			return nil, err
		}
		return v.Append(dst), nil
	}
	return nil, &Error{Status: hostapi.Invalid, Message: "filter: there is no event"}
}

func (i *Instance) http(c *Call, in, dst []byte) ([]byte, error) {
	var m wire.HTTPRequest
	if err := m.Decode(in); err != nil {
		return nil, badInput(c.op, err)
	}
	h := i.plugin.HTTP[m.Route]
	if h == nil {
		return nil, &Error{Status: hostapi.Unsupported, Message: "the plugin has no function for route " + m.Route}
	}
	c.caller = m.Caller
	r, w := newRequest(&m), &Response{}
	if err := h(c, r, w); err != nil {
		return nil, err
	}
	return w.append(dst)
}

func (i *Instance) timer(c *Call, in []byte) error {
	var t Timer
	if err := t.Decode(in); err != nil {
		return badInput(c.op, err)
	}
	f := i.plugin.Timers[t.Name]
	if f == nil {
		f = longest(i.plugin.Timers, t.Name)
	}
	if f == nil {
		return &Error{Status: hostapi.Unsupported, Message: "the plugin has no function for timer " + t.Name}
	}
	return f(c, &t)
}

// longest gives the function of the longest pattern prefix* that fits.
func longest[F any](funcs map[string]F, name string) (best F) {
	most := -1
	for pattern, f := range funcs {
		if p, ok := strings.CutSuffix(pattern, "*"); ok && len(p) > most && strings.HasPrefix(name, p) {
			best, most = f, len(p)
		}
	}
	return best
}

func (i *Instance) action(c *Call, in, dst []byte) ([]byte, error) {
	var a Action
	if err := a.Decode(in); err != nil {
		return nil, badInput(c.op, err)
	}
	f := i.plugin.Actions[a.Name]
	if f == nil {
		return nil, &Error{Status: hostapi.Unsupported, Message: "the plugin has no function for action " + a.Name}
	}
	c.caller = a.Caller
	res, err := f(c, &a)
	if err != nil {
		return nil, err
	}
	return res.Append(dst), nil
}

func (i *Instance) clients(c *Call, in []byte) error {
	if i.plugin.Clients == nil && i.plugin.Crowd == nil {
		return unsupported(c.op)
	}
	if i.plugin.Crowd != nil {
		w := Crowd{in}
		if err := w.check(); err != nil {
			return badInput(c.op, err)
		}
		return i.plugin.Crowd(c, w)
	}
	var m wire.ClientChanges
	if err := m.Decode(in); err != nil {
		return badInput(c.op, err)
	}
	for n := range m.Changes {
		ch := &m.Changes[n]
		if ch.Client == nil {
			ch.Client = &Client{} // so that functions need not ask
		}
		if err := i.plugin.Clients(c, ch); err != nil {
			return err
		}
	}
	return nil
}

func (i *Instance) snapshot(c *Call, dst []byte) ([]byte, error) {
	if i.plugin.Snapshot == nil {
		return nil, unsupported(c.op)
	}
	entries, err := i.plugin.Snapshot(c)
	if err != nil {
		return nil, err
	}
	s := Snapshot{Version: i.start.Version, Entries: entries}
	return s.Append(dst), nil
}

func (i *Instance) restore(c *Call, in []byte) error {
	if i.plugin.Restore == nil {
		return unsupported(c.op)
	}
	var s Snapshot
	// Values are mostly kept, so this one message is a copy.
	if err := s.Decode(append([]byte(nil), in...)); err != nil {
		return badInput(c.op, err)
	}
	return i.plugin.Restore(c, &s)
}

func (i *Instance) reindex(c *Call, in, dst []byte) ([]byte, error) {
	if i.plugin.Reindex == nil {
		return nil, unsupported(c.op)
	}
	var m wire.Reindex
	if err := m.Decode(in); err != nil {
		return nil, badInput(c.op, err)
	}
	res := wire.Reindexed{Documents: make([]wire.DocumentKeys, len(m.Documents))}
	for n := range m.Documents {
		keys, err := i.plugin.Reindex(c, &m.Documents[n])
		if err != nil {
			return nil, err
		}
		for k := range keys {
			if !slices.Contains(m.Indexes, keys[k].Index) {
				continue
			}
			key, err := keys[k].encode()
			if err != nil {
				return nil, err
			}
			res.Documents[n].Keys = append(res.Documents[n].Keys, key)
		}
	}
	return res.Append(dst), nil
}
