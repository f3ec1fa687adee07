package plugin

import (
	"fmt"
	"strings"

	"github.com/takhost/takhost/core/store"
)

// Errors of this package that callers act on are *store.Error, whose codes are
// the server's one list.

func invalid(format string, args ...any) error   { return coded(store.Invalid, format, args) }
func notFound(format string, args ...any) error  { return coded(store.NotFound, format, args) }
func conflict(format string, args ...any) error  { return coded(store.Conflict, format, args) }
func forbidden(format string, args ...any) error { return coded(store.Forbidden, format, args) }

func coded(code store.Code, format string, args []any) error {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	return &store.Error{Code: code, Msg: msg}
}

// nearest gives ", did you mean …?" for a name that shares its beginning or end
// with a known one.
func nearest(name string, known []string) string {
	best, most := "", 2
	for _, k := range known {
		n := 0
		for n < len(k) && n < len(name) && k[n] == name[n] {
			n++
		}
		if strings.HasSuffix(k, name) || strings.HasSuffix(name, k) {
			n = max(n, min(len(k), len(name)))
		}
		if n > most {
			best, most = k, n
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
