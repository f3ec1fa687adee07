package acme

import (
	"context"
	"fmt"
	"sync"

	"github.com/caddyserver/certmagic"
)

// storage keeps files as certmagic does (folders 0700, files 0600), but its locks
// are those of this process: the data folder is one server's alone, and the lock
// file of one that was killed would be waited for.
type storage struct {
	*certmagic.FileStorage
	mu    sync.Mutex
	locks map[string]chan struct{} // of capacity one; full: locked
}

var _ certmagic.Storage = (*storage)(nil)

func newStorage(dir string) *storage {
	return &storage{FileStorage: &certmagic.FileStorage{Path: dir}, locks: map[string]chan struct{}{}}
}

func (s *storage) lock(name string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.locks[name]
	if !ok {
		c = make(chan struct{}, 1)
		s.locks[name] = c
	}
	return c
}

// Lock implements certmagic.Locker.
func (s *storage) Lock(ctx context.Context, name string) error {
	select {
	case s.lock(name) <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unlock implements certmagic.Locker.
func (s *storage) Unlock(_ context.Context, name string) error {
	select {
	case <-s.lock(name):
		return nil
	default:
		return fmt.Errorf("%s is not locked", name)
	}
}
