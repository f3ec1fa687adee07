package main

import (
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
)

// Bounds of a search.
const (
	mostPattern = 256 // bytes of an expression
	mostSteps   = 400 // instructions of one
)

// pattern is a value of a search: a text, or a regular expression for all of it, as
// the official server takes them. Names of files may look like one: a text that is
// equal fits in any case, and what is no expression, or has nothing of one but dots, is
// only a text.
type pattern struct {
	text  string
	re    *regexp.Regexp
	steps int // instructions of the expression
}

func newPattern(in params, name, text string) *pattern {
	if text == "" {
		return nil
	}
	if len(text) > mostPattern {
		in.query.Faultf(name, "has %d bytes, at most %d are possible", len(text), mostPattern)
		return nil
	}
	m := &pattern{text: text}
	if !strings.ContainsAny(text, `\+*?()|[]{}^$`) {
		return m
	}
	expr := `(?s)\A(?:` + text + `)\z`
	parsed, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return m
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return m
	}
	if m.steps = len(prog.Inst); m.steps > mostSteps {
		in.query.Faultf(name, "the expression is too large")
		return nil
	}
	if re, err := regexp.Compile(expr); err == nil {
		m.re = re
	}
	return m
}

func (m *pattern) exact() bool { return m != nil && m.re == nil }

// filter is what a search asks for. Nil patterns and zero times ask for nothing.
type filter struct {
	keywords, tools                  []*pattern
	name, uid, hash, mime, submitter *pattern
	mission, creator                 string
	from, to                         time.Time // from on; before
	low, high                        float64   // altitude in metres
	bounded                          bool
	box                              *box
	circle                           *circle
	partial                          bool // the latest that are found in time do
}

// box is an area in degrees; west may be east of east.
type box struct{ west, south, east, north float64 }

// circle is an area: degrees, metres.
type circle struct{ lon, lat, radius float64 }

// filterOf reads the parameters of a search. Both servers' names are known.
func filterOf(in params) *filter {
	f := &filter{
		name: newPattern(in, "name", in.text("name", "filename")), uid: newPattern(in, "uid", in.text("uid")),
		hash: newPattern(in, "hash", strings.ToLower(in.text("hash"))), mime: newPattern(in, "mimeType", in.text("mimeType")),
		submitter: newPattern(in, "submissionUser", in.text("submissionUser", "submitter")),
		mission:   in.text("mission", "missionName"), creator: in.text("creatorUid"),
		from: in.moment("startTime"), to: in.moment("stopTime", "endTime"),
		low: math.Inf(-1), high: math.Inf(1),
	}
	for _, k := range in.list("keywords", "keyword") {
		f.keywords = append(f.keywords, newPattern(in, "keywords", k))
	}
	for _, t := range in.list("tool") {
		f.tools = append(f.tools, newPattern(in, "tool", t))
	}
	if v, ok := in.number(-1e9, 1e9, "minAltitude", "minimumAltitude"); ok {
		f.low, f.bounded = v, true
	}
	if v, ok := in.number(-1e9, 1e9, "maxAltitude", "maximumAltitude"); ok {
		f.high, f.bounded = v, true
	}
	if v, ok := in.numbers("bbox", "box"); ok && len(v) == 4 && inside(v[0], v[1]) && inside(v[2], v[3]) && v[1] <= v[3] {
		f.box = &box{v[0], v[1], v[2], v[3]}
	} else if ok {
		in.query.Faultf("bbox", "is no box: write west,south,east,north in degrees")
	}
	if v, ok := in.numbers("circle"); ok && len(v) == 3 && inside(v[0], v[1]) && v[2] >= 0 {
		f.circle = &circle{v[0], v[1], v[2]}
	} else if ok {
		in.query.Faultf("circle", "is no circle: write longitude,latitude in degrees, and metres")
	}
	return f
}

func inside(lon, lat float64) bool { return math.Abs(lon) <= 180 && math.Abs(lat) <= 90 }

// fits compares a value with a pattern.
func (f *filter) fits(m *pattern, value string) bool {
	if m == nil || m.text == value {
		return true
	}
	if m.re == nil {
		return false
	}
	return m.re.MatchString(value)
}

// matches says whether a file is asked for.
func (f *filter) matches(x *file) bool {
	switch {
	case f.mission != "" && x.mission != f.mission, f.creator != "" && x.creator != f.creator,
		!f.from.IsZero() && x.added.Before(f.from), !f.to.IsZero() && !x.added.Before(f.to),
		!f.fits(f.hash, x.hash), !f.fits(f.uid, x.uid), !f.fits(f.name, x.name), !f.fits(f.mime, x.mime), !f.fits(f.submitter, x.user()):
		return false
	case f.bounded && (!x.high || x.altitude < f.low || x.altitude > f.high):
		return false
	case f.box != nil && !(x.located && f.box.has(x.lon, x.lat)), f.circle != nil && !(x.located && f.circle.has(x.lon, x.lat)):
		return false
	}
	if len(f.tools) > 0 && !slices.ContainsFunc(f.tools, func(m *pattern) bool { return f.fits(m, x.tool) }) {
		return false
	}
	for _, m := range f.keywords { // all of them
		if !slices.ContainsFunc(x.keywords, func(k string) bool { return f.fits(m, k) }) {
			return false
		}
	}
	return true
}

func (b *box) has(lon, lat float64) bool {
	if lat < b.south || lat > b.north {
		return false
	}
	if b.west > b.east {
		return lon >= b.west || lon <= b.east
	}
	return lon >= b.west && lon <= b.east
}

// has measures on a sphere.
func (c *circle) has(lon, lat float64) bool {
	const radius, rad = 6371008.8, math.Pi / 180 // mean radius of the earth in metres
	s := math.Sin((lat - c.lat) * rad / 2)
	t := math.Sin((lon - c.lon) * rad / 2)
	h := s*s + math.Cos(lat*rad)*math.Cos(c.lat*rad)*t*t
	return 2*radius*math.Asin(math.Min(1, math.Sqrt(h))) <= c.radius
}
