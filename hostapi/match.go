package hostapi

import (
	"strings"

	"github.com/takhost/takhost/hostapi/cot"
)

// MatchAny says whether s fits one of the patterns.
func MatchAny(patterns []string, s string) bool {
	for _, p := range patterns {
		if cot.MatchGlob(p, s) {
			return true
		}
	}
	return false
}

// MatchPath says whether an HTTP path is prefix or below it: /a matches /a and
// /a/b, not /ab.
func MatchPath(prefix, path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(prefix, "/"))
}

// MatchHost says whether a host and port fit a pattern of a grant: a name in
// which * stands for any text, with :port, with :* for any port, or without one
// for 80 and 443. An IPv6 address has its brackets in the pattern and not in
// host. Case does not count.
func MatchHost(pattern, host, port string) bool {
	name, ports, ok := splitHost(pattern)
	if !ok || !cot.MatchGlob(strings.ToLower(name), strings.ToLower(strings.TrimSuffix(host, "."))) {
		return false
	}
	return portsCover(ports, port)
}

func portsCover(ports, port string) bool {
	switch ports {
	case "*":
		return true
	case "":
		return port == "" || port == "80" || port == "443"
	}
	return ports == port
}

// splitHost takes a pattern apart; ports is empty, a number or *.
func splitHost(pattern string) (name, ports string, ok bool) {
	name = pattern
	if in, found := strings.CutPrefix(pattern, "["); found {
		var rest string
		if name, rest, found = strings.Cut(in, "]"); !found || rest != "" && rest[0] != ':' {
			return "", "", false
		}
		if ports = strings.TrimPrefix(rest, ":"); rest == ":" {
			return "", "", false
		}
	} else if i := strings.IndexByte(pattern, ':'); i >= 0 {
		if name, ports = pattern[:i], pattern[i+1:]; ports == "" {
			return "", "", false
		}
	}
	for _, c := range []byte(ports) {
		if (c < '0' || c > '9') && ports != "*" {
			return "", "", false
		}
	}
	return name, ports, name != "" && len(ports) <= 5 && !strings.ContainsAny(name, "/@ \t")
}

// coveredBy says whether all that fits the pattern ask fits one of the granted.
func (k ScopeKind) coveredBy(ask string, granted []string) bool {
	for _, g := range granted {
		if k.covers(g, ask) {
			return true
		}
	}
	return false
}

// covers compares two patterns. A * in ask is a character that only a * in grant
// can match, so matching the one against the other as a text answers the
// question for all texts.
func (k ScopeKind) covers(grant, ask string) bool {
	switch k {
	case ScopeTypes, ScopeGlobs, ScopeActions:
		return cot.MatchGlob(grant, ask)
	case ScopePrefixes:
		return strings.HasPrefix(ask, grant)
	case ScopePaths:
		return MatchPath(grant, ask)
	case ScopeHosts:
		gn, gp, ok := splitHost(grant)
		an, ap, ok2 := splitHost(ask)
		return ok && ok2 && cot.MatchGlob(strings.ToLower(gn), strings.ToLower(an)) && portsCover(gp, ap)
	}
	return grant == ask
}

// boxCovers says whether all of b is in a. A box may cross the 180th meridian.
func boxCovers(a, b cot.Box) bool {
	if b.South < a.South || b.North > a.North {
		return false
	}
	if a.East-a.West >= 360 {
		return true
	}
	// Eastward from a's west edge, b must begin and end inside and not turn round.
	turn := func(from, to float64) float64 {
		if to < from {
			to += 360
		}
		return to - from
	}
	width := turn(a.West, a.East)
	begin := turn(a.West, b.West)
	return begin+turn(b.West, b.East) <= width
}
