package server

import (
	"context"
	"errors"
	"net"
)

// probe tries the addresses of all listeners, so that a start that cannot succeed
// tells so at once, and tells all of it, before databases and plugins are opened.
// Who takes an address between this and the real opening is told then.
func (l *listeners) probe(ctx context.Context) error {
	var faults []error
	for _, name := range listenerNames {
		addr := l.wanted(name)
		if addr == "" {
			continue
		}
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err == nil {
			err = ln.Close()
		}
		faults = append(faults, listenError(name, addr, err))
	}
	return errors.Join(faults...)
}
