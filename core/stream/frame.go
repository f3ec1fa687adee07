package stream

import (
	"bytes"
	"errors"
)

// A framer finds the events in the bytes of an XML stream
// (spec/tak-streaming.md 2). What is before an event (prologs, white space, an
// <auth> nobody asked for) is skipped. It survives any split of the bytes.
//
// The end of an event is first guessed as the next </event>, which is right for
// nearly all. Only when that is no good event, a walk through the markup, which
// knows comments, CDATA and self-closed events, names the true end. Broken
// markup never costs more than the event that it is in: a start tag <event
// inside an event begins a new one, as no event holds another.
//
// The one case without a certain answer is a comment or CDATA section that is
// not closed although events seem to follow in it: unclosed, or still coming?
// Then undecided is true; the caller waits a moment and calls giveUp.
type framer struct {
	inEvent  bool  // the data begins with an event's '<'
	searched int   // no end tag begins before this offset
	walking  bool  // the guess was wrong, walk decides
	guess    int   // the end that was guessed
	why      error // what was wrong with it
	walk     walker
	none     absent // ends of sections that are not there

	undecided bool // data may already hold whole events behind a bad one
}

var (
	eventOpen  = []byte("<event")
	eventClose = []byte("</event")

	errJunk     = errors.New("bytes outside of any event")
	errUnclosed = errors.New("event without an end")
)

// next looks at the bytes that were not dropped yet and gives the number to
// drop before it is called again; 0 asks for more bytes. A frame is offered to
// take, which refuses what is no good event. The error tells what of the
// dropped bytes was lost, and why.
func (f *framer) next(data []byte, take func(frame []byte) error) (drop int, lost error) {
	if !f.inEvent {
		skip, ok, bad := f.start(data)
		f.inEvent = ok
		if skip > 0 {
			f.searched, f.none = max(f.searched-skip, 0), f.none.shift(skip)
			if bad {
				return skip, errJunk
			}
			return skip, nil
		}
		if !ok {
			return 0, nil
		}
	}
	if !f.walking {
		var end int
		if end, f.searched = endTag(data, f.searched); end < 0 {
			n, selfClosed, whole := tag(data)
			if !whole || !selfClosed {
				return 0, nil
			}
			end = n
		}
		err := take(data[:end])
		if err == nil {
			f.done(end)
			return end, nil
		}
		f.guess, f.why, f.walking = end, err, true
	}
	end, how := f.walk.run(data, &f.none, f.searched)
	switch how {
	case walkEnd:
		err := f.why
		if end != f.guess {
			err = take(data[:end])
		}
		f.done(end)
		return end, err
	case walkRestart:
		f.done(end)
		return end, errUnclosed
	}
	f.undecided = f.walk.boundary > 0
	return 0, nil
}

// done begins anew behind the first n bytes. What was searched stays searched:
// a flood of start tags must not cost a search through all of the rest each.
func (f *framer) done(n int) {
	*f = framer{searched: max(f.searched-n, 0), none: f.none.shift(n)}
}

// giveUp ends the waiting for an event that does not become whole: it gives the
// number of bytes to drop, so that what may be events behind it stays.
func (f *framer) giveUp(data []byte) int {
	n := len(data)
	if f.walking && f.walk.boundary > 0 {
		n = f.walk.boundary
	} else if !f.inEvent {
		// An unclosed comment between events: where they seem to go on.
		if i := bytes.Index(data, eventOpen); i > 0 {
			n = i
		}
	}
	f.done(n)
	return n
}

// start finds the beginning of an event and says how many bytes are before it.
// Without one it says how many bytes can be dropped for sure.
func (f *framer) start(data []byte) (skip int, ok, bad bool) {
	f.undecided = false
	at := 0
	for {
		i := bytes.IndexByte(data[at:], '<')
		if i < 0 {
			return len(data), false, junk(data)
		}
		at += i
		rest := data[at:]
		switch {
		case len(rest) <= len(eventOpen) && bytes.HasPrefix(eventOpen, rest):
			return at, false, junk(data[:at]) // the rest of the tag is to come
		case isEventOpen(rest):
			return at, true, junk(data[:at])
		case bytes.HasPrefix(rest, commentOpen), bytes.HasPrefix(rest, piOpen):
			kind := comment
			if rest[1] == '?' {
				kind = instruction
			}
			end := f.none.find(data, kind, at)
			if end < 0 {
				f.undecided = bytes.Contains(rest, eventOpen)
				return at, false, junk(data[:at])
			}
			at = end
		case isAuthOpen(rest):
			end := authEnd(rest, longestAuth)
			if end == 0 {
				f.undecided = bytes.Contains(rest, eventOpen)
				return at, false, junk(data[:at])
			}
			at += max(end, 1)
		case len(rest) < len(commentOpen) && bytes.HasPrefix(commentOpen, rest),
			len(rest) <= len(authOpen) && bytes.HasPrefix(authOpen, rest):
			return at, false, junk(data[:at])
		default:
			at++
		}
	}
}

// junk says whether bytes between events are more than white space, prologs,
// comments and an <auth> that nobody asked for, that is, whether something was
// lost there.
func junk(b []byte) bool {
	b = bytes.TrimLeft(b, " \t\r\n")
	switch {
	case len(b) == 0:
		return false
	case bytes.HasPrefix(b, []byte("<?")):
		i := bytes.Index(b, []byte("?>"))
		return i < 0 || junk(b[i+2:])
	case bytes.HasPrefix(b, commentOpen):
		i := bytes.Index(b, commentClose)
		return i < 0 || junk(b[i+len(commentClose):])
	case isAuthOpen(b):
		n := authEnd(b, longestAuth)
		return n <= 0 || junk(b[n:])
	}
	return true
}

// isEventOpen says whether b begins with the start tag of an event, which must
// be known to be longer than the bare name.
func isEventOpen(b []byte) bool {
	if len(b) <= len(eventOpen) || !bytes.HasPrefix(b, eventOpen) {
		return false
	}
	c := b[len(eventOpen)]
	return isSpace(c) || c == '>' || c == '/'
}

// endTag gives the offset behind the first end tag </event> that begins at or
// after from, -1 when there is no whole one, and where that search stopped.
func endTag(data []byte, from int) (end, stopped int) {
	for {
		i := bytes.Index(data[from:], eventClose)
		if i < 0 {
			return -1, max(from, len(data)-len(eventClose)+1)
		}
		from += i
		n, more := endTagHere(data[from:])
		switch {
		case n > 0:
			return from + n, from
		case more:
			return -1, from
		}
		from += len(eventClose)
	}
}

// endTagHere gives the length of the end tag </event> that b begins with, or 0;
// more says that this depends on bytes to come. b has the tag's name.
func endTagHere(b []byte) (n int, more bool) {
	for i := len(eventClose); i < len(b); i++ {
		if b[i] == '>' {
			return i + 1, false
		}
		if !isSpace(b[i]) {
			return 0, false
		}
	}
	return 0, true
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }
