package store

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf8"

	"github.com/takhost/takhost/hostapi"
)

// A cursor is the id behind which the next page begins, with the direction: one
// byte, eight bytes, in unpadded URL-safe base64.
const (
	cursorDown = 1
	cursorUp   = 2
)

func formatCursor(id hostapi.ID, ascending bool) string {
	b := []byte{cursorDown}
	if ascending {
		b[0] = cursorUp
	}
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, uint64(id)))
}

// parseCursor gives 0 for the first page.
func parseCursor(s string, ascending bool) (hostapi.ID, error) {
	if s == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 9 || b[0] != cursorDown && b[0] != cursorUp {
		return 0, invalidf("after: is not what next of a page gave")
	}
	if ascending != (b[0] == cursorUp) {
		return 0, invalidf("after: comes from a query in the other order")
	}
	id := hostapi.ID(binary.BigEndian.Uint64(b[1:]))
	if id <= 0 {
		return 0, invalidf("after: is not what next of a page gave")
	}
	return id, nil
}

// validText says whether PostgreSQL can hold s.
func validText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }
