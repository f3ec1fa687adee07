package server

import (
	"errors"
	"fmt"
	"syscall"
)

// listenError says what to do about an address that cannot be had.
func listenError(name, addr string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen.%s: another program uses %s: stop it, or set listen.%s to another address (port 0 takes a free one)%w", name, addr, name, silent{err})
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen.%s: no permission to use %s: ports below 1024 need root or CAP_NET_BIND_SERVICE", name, addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen.%s: this machine does not have the address of %s", name, addr)
	}
	return err
}

// silent is a cause that is known to programs and said already.
type silent struct{ error }

func (s silent) Error() string { return "" }
func (s silent) Unwrap() error { return s.error }
