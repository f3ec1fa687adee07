package cot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
)

// failer is what *testing.T, *testing.F and *rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// facts are what a Header tells, in a form that go-cmp can compare. White
// space in texts is made blank: encoding/xml does not, as XML 1.0 asks in
// 3.3.3, read white space in attribute values as blanks.
type facts struct {
	UID, Type, How                   string
	Time, Start, Stale               int64
	Lat, Lon, Hae, CE, LE            float64
	Callsign, Endpoint, Team, Role   string
	Speed, Course                    float64
	Point, Detail, NoArchive         bool
	Emergency, ForceDelete, FlowTags bool
	DetailRaw                        string
	Dests                            []Dest
}

var blanks = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")

func factsOf(text string, h *Header) facts {
	f := facts{
		UID: h.UID, Type: h.Type, How: h.How, Time: h.Time, Start: h.Start, Stale: h.Stale,
		Lat: h.Lat, Lon: h.Lon, Hae: h.Hae, CE: h.CE, LE: h.LE,
		Callsign: h.Callsign, Endpoint: h.Endpoint, Team: h.Team, Role: h.Role,
		Speed: h.Speed, Course: h.Course,
		Point: h.Flags.Has(HasPoint), Detail: h.Flags.Has(HasDetail), NoArchive: h.Flags.Has(NoArchive),
		Emergency: h.Flags.Has(HasEmergency), ForceDelete: h.Flags.Has(ForceDelete), FlowTags: h.Flags.Has(HasFlowTags),
		DetailRaw: text[h.DetailAt:h.DetailTo],
	}
	for i := range h.NumDests() {
		f.Dests = append(f.Dests, h.Dest(i))
	}
	return f.blanked()
}

func (f facts) blanked() facts {
	for _, s := range []*string{&f.UID, &f.Type, &f.How, &f.Callsign, &f.Endpoint, &f.Team, &f.Role} {
		*s = blanks.Replace(*s)
	}
	for i := range f.Dests {
		f.Dests[i].Value = blanks.Replace(f.Dests[i].Value)
	}
	return f
}

// oracle reads an event with encoding/xml. wellFormed is nil when that finds
// nothing wrong; refused names what Scan is stricter about and the oracle can
// see; valid says whether times and numbers can be read and uid and type are
// there.
type oracle struct {
	facts      facts
	wellFormed error
	refused    string
	valid      bool
}

type rawName = xml.Name

func fullName(n rawName) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

func readOracle(text string) (o oracle) {
	// Token checks that tags match but changes names by their namespace,
	// RawToken leaves names but checks less: so both, side by side.
	check := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := check.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			o.wellFormed = err
			return o
		}
	}
	o.valid = true
	refuse := func(why string) {
		if o.refused == "" {
			o.refused = why
		}
	}
	var path []string
	var detailAt int
	var contacts, groups, tracks, details, points int
	var inDetail bool
	raw := xml.NewDecoder(strings.NewReader(text))
	roots := 0
	for {
		before := int(raw.InputOffset())
		tok, err := raw.RawToken()
		if err != nil {
			break
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			name := fullName(tok.Name)
			attrs := map[string]string{}
			for _, a := range tok.Attr {
				n := fullName(a.Name)
				if _, twice := attrs[n]; twice {
					refuse("attribute twice")
				}
				attrs[n] = a.Value
			}
			if len(tok.Attr) > DefaultLimits.Attrs || len(path) >= DefaultLimits.Depth {
				refuse("limits")
			}
			if len(path) == 0 {
				roots++
				if roots > 1 || before != 0 || name != "event" {
					refuse("not one event")
				}
				o.event(attrs)
			}
			parent := ""
			if len(path) > 0 {
				parent = path[len(path)-1]
			}
			switch {
			case len(path) == 1 && name == "point":
				if points++; points == 1 {
					o.point(attrs)
				}
			case len(path) == 1 && name == "detail":
				if details++; details == 1 {
					o.facts.Detail = true
					inDetail = true
					detailAt = int(raw.InputOffset())
				}
			case len(path) == 2 && inDetail:
				switch name {
				case "contact":
					if contacts++; contacts == 1 {
						o.facts.Callsign, o.facts.Endpoint = attrs["callsign"], attrs["endpoint"]
					}
				case "__group":
					if groups++; groups == 1 {
						o.facts.Team, o.facts.Role = attrs["name"], attrs["role"]
					}
				case "track":
					if tracks++; tracks == 1 {
						o.facts.Speed, _ = number(attrs["speed"])
						o.facts.Course, _ = number(attrs["course"])
					}
				case "marti":
					o.facts.NoArchive = o.facts.NoArchive || attrs["archive"] == "false"
				case "emergency":
					o.facts.Emergency = true
				case "__forcedelete":
					o.facts.ForceDelete = true
				case "_flow-tags_":
					o.facts.FlowTags = true
				}
			case len(path) == 3 && inDetail && parent == "marti" && name == "dest":
				kinds := []string{"callsign", "publish", "uid", "mission", "mission-guid", "group"}
				for i, k := range kinds {
					if attrs[k] != "" {
						o.facts.Dests = append(o.facts.Dests, Dest{DestKind(i + 1), attrs[k]})
						break
					}
				}
			}
			path = append(path, name)
		case xml.EndElement:
			path = path[:len(path)-1]
			if len(path) == 1 && inDetail {
				inDetail = false
				o.facts.DetailRaw = text[detailAt:before]
			}
			if len(path) == 0 && int(raw.InputOffset()) != len(text) {
				refuse("more text")
			}
		case xml.Directive:
			refuse("declaration")
		case xml.ProcInst:
			if strings.EqualFold(tok.Target, "xml") {
				refuse("XML declaration")
			}
			if !legalText(string(tok.Inst)) {
				refuse("illegal character in a processing instruction")
			}
		case xml.Comment:
			if !legalText(string(tok)) {
				refuse("illegal character in a comment")
			}
		}
	}
	if roots == 0 {
		refuse("not one event")
	}
	if !bytes.HasPrefix([]byte(text), []byte("<event")) {
		refuse("not one event")
	}
	if surrogate.MatchString(text) {
		refuse("reference to a surrogate")
	}
	if gluedAttrs.MatchString(text) {
		refuse("perhaps no white space between attributes")
	}
	o.facts = o.facts.blanked()
	return o
}

var (
	surrogate  = regexp.MustCompile(`&#(x0*[dD][89a-fA-F]|0*5[5-7])`)
	gluedAttrs = regexp.MustCompile(`["'][^\s/>]|<\?[^\s?]+[^\s]`)
)

func (o *oracle) event(attrs map[string]string) {
	o.facts.UID, o.facts.Type, o.facts.How = attrs["uid"], attrs["type"], attrs["how"]
	o.valid = o.valid && o.facts.UID != "" && o.facts.Type != ""
	for name, to := range map[string]*int64{"time": &o.facts.Time, "start": &o.facts.Start, "stale": &o.facts.Stale} {
		if v, there := attrs[name]; there {
			usec, ok := stdTime(v)
			*to = usec
			o.valid = o.valid && ok
		}
	}
}

func (o *oracle) point(attrs map[string]string) {
	o.facts.Point = true
	for name, to := range map[string]*float64{"lat": &o.facts.Lat, "lon": &o.facts.Lon} {
		v, ok := number(attrs[name])
		*to = v
		o.valid = o.valid && ok
	}
	for name, to := range map[string]*float64{"hae": &o.facts.Hae, "ce": &o.facts.CE, "le": &o.facts.LE} {
		v, ok := number(attrs[name])
		if !ok && strings.EqualFold(strings.Trim(attrs[name], " \t\r\n"), "nan") {
			v, ok = 9999999, true
		}
		*to = v
		o.valid = o.valid && ok
	}
}

var decimal = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`)

// number is parseNumber made of a pattern and strconv.
func number(s string) (float64, bool) {
	s = strings.Trim(s, " \t\r\n")
	if s == "" {
		return 0, true
	}
	if !decimal.MatchString(s) {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}

var timePattern = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d*))?(?:Z|([+-])(\d\d):?(\d\d))$`)

// stdTime is ParseTime made of a pattern and package time.
func stdTime(s string) (usec int64, ok bool) {
	m := timePattern.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	num := func(i int) int {
		n, _ := strconv.Atoi(m[i])
		return n
	}
	t := time.Date(num(1), time.Month(num(2)), num(3), num(4), num(5), num(6), 0, time.UTC)
	if t.Format("2006-01-02T15:04:05") != s[:19] || num(9) > 23 || num(10) > 59 {
		return 0, false
	}
	frac, _ := strconv.Atoi((m[7] + "000000")[:6])
	zone := time.Duration(num(9))*time.Hour + time.Duration(num(10))*time.Minute
	if m[8] == "-" {
		zone = -zone
	}
	return t.Add(-zone).UnixMicro() + int64(frac), true
}

// compareOracle scans text and holds the result against encoding/xml's.
func compareOracle(t failer, text string) {
	t.Helper()
	var h Header
	err := Scan(text, &h)
	o := readOracle(text)
	switch {
	case o.wellFormed != nil:
		if err == nil || errors.Is(err, ErrInvalid) {
			if !knownDifference(o.wellFormed) {
				t.Fatalf("scan of %q: got %v, but encoding/xml says %v", text, err, o.wellFormed)
			}
		}
	case o.refused != "":
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrLimit):
		t.Fatalf("scan of %q: got %v, but encoding/xml accepts it", text, err)
	case (err == nil) != o.valid:
		t.Fatalf("scan of %q: got %v, the oracle finds it valid: %v", text, err, o.valid)
	case err == nil:
		if diff := cmp.Diff(o.facts, factsOf(text, &h)); diff != "" {
			t.Fatalf("scan of %q differs from encoding/xml (-want +got):\n%s", text, diff)
		}
	}
}

// knownDifference says whether encoding/xml refuses a name that XML 1.0 allows:
// one with several colons, or with letters that came with the fifth edition.
func knownDifference(err error) bool {
	for _, msg := range []string{"expected element name after <", "expected attribute name in element", "invalid XML name"} {
		if strings.Contains(err.Error(), msg) {
			return true
		}
	}
	return false
}
