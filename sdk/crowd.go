package sdk

import (
	"iter"

	"github.com/takhost/takhost/hostapi/wire"
)

// Crowd is clients that came, changed or went, in one call, in their order. It is read
// in place: most of what is known of a client costs nothing until it is asked for.
type Crowd struct{ raw []byte }

// All goes over the changes.
func (w Crowd) All() iter.Seq[Change] {
	return func(yield func(Change) bool) {
		p := wire.NewPeek(w.raw)
		for n := p.Next(); n != 0; n = p.Next() {
			if n == 1 && !yield(newChange(p.Bytes())) {
				return
			}
		}
	}
}

// check says whether the message can be read: Change has no errors of its own.
func (w Crowd) check() error {
	p := wire.NewPeek(w.raw)
	for n := p.Next(); n != 0; n = p.Next() {
		if n != 1 {
			continue
		}
		ch := wire.NewPeek(p.Bytes())
		for ch.Next() != 0 {
		}
		if ch.Err() != nil {
			return ch.Err()
		}
	}
	return p.Err()
}

// Change is what happened to one client. It is good until the function returns, unless
// it is kept by Keep.
type Change struct {
	Kind   wire.ClientChangeKind // ClientConnected, ClientChanged or ClientDisconnected
	At     int64                 // µs since 1970 UTC
	client []byte
}

func newChange(raw []byte) (c Change) {
	p := wire.NewPeek(raw)
	for n := p.Next(); n != 0; n = p.Next() {
		switch n {
		case 1:
			c.Kind = wire.ClientChangeKind(p.Uint())
		case 2:
			c.client = p.Bytes()
		case 3:
			c.At = int64(p.Uint())
		}
	}
	return c
}

// UID is that of the client.
func (c Change) UID() string {
	p := wire.NewPeek(c.client)
	for n := p.Next(); n != 0; n = p.Next() {
		if n == 1 {
			return string(p.Bytes())
		}
	}
	return ""
}

// Connected is when its connection began, in µs since 1970 UTC.
func (c Change) Connected() int64 {
	p := wire.NewPeek(c.client)
	for n := p.Next(); n != 0; n = p.Next() {
		if n == 11 {
			return int64(p.Uint())
		}
	}
	return 0
}

// Client is all that is known of it.
func (c Change) Client() (who Client, err error) { return who, who.Decode(c.client) }

// Keep gives a copy that stays good.
func (c Change) Keep() Change {
	c.client = append([]byte(nil), c.client...)
	return c
}
