package cot

// Scan checks an event by DefaultLimits and finds its header: see
// [Limits.Scan].
func Scan(xml string, h *Header) error { return DefaultLimits.Scan(xml, h) }

// Scan checks that xml is one well-formed <event> element, with nothing before
// or after it, and writes what it finds to h, whatever that held. It does not
// allocate, unless a wanted value has to be decoded, there are more than two
// destinations, or an error is returned: an *Error, after which h is of no use.
//
// Only the point and the detail that are children of the event count, and only
// children of that detail (in <marti>, its children too). Of several points,
// details, contacts, groups or tracks the first counts; the destinations of all
// <marti> count.
//
// A number in point that is NaN is Unknown, except lat and lon, where it is an
// error. In track, what is no number reads as 0, for some clients write
// speed="NaN".
func (l Limits) Scan(xml string, h *Header) error {
	*h = Header{}
	l = l.orDefault()
	if len(xml) > l.Size {
		return fault{why: textTooLong, at: int32(l.Size)}.error(xml)
	}
	var tab tables
	open, attrs := tab.sized(l, len(xml))
	sc := scanner{h: h, lexer: lexer{openTab: open, attrTab: attrs}}
	if f := sc.run(xml); f.why != 0 {
		return f.error(xml)
	}
	return nil
}

// A scanner picks the header out of what its lexer passes.
type scanner struct {
	lexer
	h       *Header
	invalid fault // the first thing that makes a well-formed event unusable

	detailAt int // where the content of detail begins

	inDetail, inMarti              bool // children of that element come now
	hasContact, hasGroup, hasTrack bool
}

func (sc *scanner) run(s string) fault {
	tok := sc.next(s)
	if tok == tokFault {
		return sc.fault
	}
	if tok != tokStart || sc.tag.at != 0 || sc.tag.name().in(s) != "event" {
		return fault{why: notEvent}
	}
	sc.event(s)
	for sc.depth > 0 {
		switch sc.next(s) {
		case tokStart:
			sc.start(s)
		case tokEnd:
			sc.end()
		default:
			return sc.fault
		}
	}
	if sc.at != len(s) {
		return fault{moreText, int32(sc.at), sc.tag.name()}
	}
	if sc.h.UID == "" {
		sc.reject(noUID, 0, span{})
	}
	if sc.h.Type == "" {
		sc.reject(noType, 0, span{})
	}
	return sc.invalid
}

func (sc *scanner) reject(why reason, at int32, of span) {
	if sc.invalid.why == 0 {
		sc.invalid = fault{why, at, of}
	}
}

// start looks at an element below event.
func (sc *scanner) start(s string) {
	parents := sc.depth
	if !sc.empty {
		parents--
	}
	switch {
	case parents == 1:
		switch sc.tag.name().in(s) {
		case "point":
			if !sc.h.Flags.Has(HasPoint) {
				sc.point(s)
			}
		case "detail":
			if !sc.h.Flags.Has(HasDetail) {
				sc.h.Flags |= HasDetail
				sc.inDetail = !sc.empty
				sc.detailAt = sc.at
			}
		}
	case parents == 2 && sc.inDetail:
		sc.detailChild(s)
	case parents == 3 && sc.inMarti && sc.tag.name().in(s) == "dest":
		sc.dest(s)
	}
}

// end looks at the end of an element that was not empty.
func (sc *scanner) end() {
	switch sc.depth {
	case 1:
		if sc.inDetail {
			sc.inDetail = false
			if sc.endAt > sc.detailAt {
				sc.h.DetailAt, sc.h.DetailTo = sc.detailAt, sc.endAt
			}
		}
	case 2:
		sc.inMarti = false
	}
}
