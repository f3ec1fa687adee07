package takclient

import (
	"fmt"
	"strings"
)

// Match chooses among well-formed events. Its text appears in failures.
type Match struct {
	text string
	is   func(*Received) bool
}

func (m Match) String() string { return m.text }

func (m Match) matches(r *Received) bool { return r.Err == nil && m.is(r) }

// Where makes a match of a function; text says what it looks for.
func Where(text string, is func(*Received) bool) Match { return Match{text, is} }

// Any matches every event.
func Any() Match { return Where("any event", func(*Received) bool { return true }) }

// UID matches event/@uid.
func UID(uid string) Match {
	return Where(fmt.Sprintf("uid %q", uid), func(r *Received) bool { return r.Header.UID == uid })
}

// Type matches event/@type, or with a * at the end all types that begin so.
func Type(glob string) Match {
	prefix, isPrefix := strings.CutSuffix(glob, "*")
	return Where("type "+glob, func(r *Received) bool {
		if isPrefix {
			return strings.HasPrefix(r.Header.Type, prefix)
		}
		return r.Header.Type == glob
	})
}

// Callsign matches contact/@callsign.
func Callsign(callsign string) Match {
	return Where(fmt.Sprintf("callsign %q", callsign), func(r *Received) bool { return r.Header.Callsign == callsign })
}

// Contains matches events whose XML holds the text.
func Contains(text string) Match {
	return Where(fmt.Sprintf("text %q", text), func(r *Received) bool { return strings.Contains(r.XML, text) })
}

// Exactly matches an event that is the given text byte for byte.
func Exactly(xml string) Match {
	return Where("the very bytes "+clip(xml, 200), func(r *Received) bool { return r.XML == xml })
}

// Both matches what m and n match.
func (m Match) Both(n Match) Match {
	return Where(m.text+" and "+n.text, func(r *Received) bool { return m.is(r) && n.is(r) })
}

// Or matches what m or n matches.
func (m Match) Or(n Match) Match {
	return Where(m.text+" or "+n.text, func(r *Received) bool { return m.is(r) || n.is(r) })
}
