package stream

import "bytes"

var (
	commentOpen  = []byte("<!--")
	commentClose = []byte("-->")
	cdataOpen    = []byte("<![CDATA[")
	cdataClose   = []byte("]]>")
	piOpen       = []byte("<?")
	piClose      = []byte("?>")
)

// walkResult says how a walk over an event ended.
type walkResult uint8

const (
	walkMore    walkResult = iota // the event's end is not there yet
	walkEnd                       // the event ends here
	walkRestart                   // another event begins here, the first one is broken
)

// walker goes through the markup of one event to find its end, tag by tag. It
// does not check the markup: the scan does that. It goes on where it stopped
// when more bytes have come.
type walker struct {
	at       int     // everything before is walked
	in       section // what at is in
	boundary int     // in one of these: where to go on if it has no end (boundaryIn); 0 for not known
}

// section is a part of the text in which no markup counts.
type section uint8

const (
	noSection section = iota
	comment
	cdata
	instruction
	sections
)

var sectionEnds = [sections][]byte{comment: commentClose, cdata: cdataClose, instruction: piClose}

// absent tells for each kind of section up to where its end was looked for in
// vain, since the first one that is still open. Whoever opens a thousand of
// them must not cost a thousand searches through all that follows.
type absent [sections]int

// find gives the offset behind the end of a section from at on, or -1.
func (a *absent) find(data []byte, kind section, at int) int {
	from, end := max(at, a[kind]), sectionEnds[kind]
	if from > len(data) {
		return -1
	}
	i := bytes.Index(data[from:], end)
	if i < 0 {
		a[kind] = max(from, len(data)-len(end)+1)
		return -1
	}
	return from + i + len(end)
}

// shift makes the offsets count from n bytes later on.
func (a absent) shift(n int) absent {
	for i := range a {
		a[i] = max(a[i]-n, 0)
	}
	return a
}

// run walks on. data begins with the event's '<', and no end tag begins before
// searched.
func (w *walker) run(data []byte, none *absent, searched int) (int, walkResult) {
	for {
		if w.in != noSection {
			end := none.find(data, w.in, w.at)
			if end < 0 {
				if w.boundary == 0 {
					w.boundary = boundaryIn(data, w.at, searched)
				}
				return 0, walkMore
			}
			w.at, w.in, w.boundary = end, noSection, 0
		}
		i := bytes.IndexByte(data[w.at:], '<')
		if i < 0 {
			w.at = len(data)
			return 0, walkMore
		}
		w.at += i
		rest := data[w.at:]
		if undecidedPrefix(rest) {
			return 0, walkMore
		}
		switch {
		case bytes.HasPrefix(rest, commentOpen):
			w.open(commentOpen, comment)
		case bytes.HasPrefix(rest, cdataOpen):
			w.open(cdataOpen, cdata)
		case bytes.HasPrefix(rest, piOpen):
			w.open(piOpen, instruction)
		case bytes.HasPrefix(rest, eventClose):
			n, more := endTagHere(rest)
			switch {
			case n > 0:
				return w.at + n, walkEnd
			case more:
				return 0, walkMore
			}
			w.at += len(eventClose)
		case w.at > 0 && isEventOpen(rest):
			return w.at, walkRestart
		default:
			n, selfClosed, ok := tag(rest)
			if !ok {
				return 0, walkMore
			}
			if w.at == 0 && selfClosed {
				return n, walkEnd
			}
			w.at += n
		}
	}
}

// boundaryIn gives the place from at on behind which events may be that an
// unclosed section hides, once there is the end of one: behind that end, or
// before a start tag that comes first, when the broken event has no end. No end
// tag begins before searched.
func boundaryIn(data []byte, at, searched int) int {
	end, _ := endTag(data, max(at, searched))
	if end < 0 {
		return 0
	}
	for i := at; ; i++ {
		next := bytes.Index(data[i:end], eventOpen)
		if next < 0 {
			return end
		}
		if i += next; isEventOpen(data[i:]) {
			return i
		}
	}
}

func (w *walker) open(mark []byte, in section) {
	w.at += len(mark)
	w.in = in
}

// undecidedPrefix says whether b is too short to tell which markup it begins.
// The name of an event's tag needs the byte behind it as well.
func undecidedPrefix(b []byte) bool {
	return len(b) < len(commentOpen) && bytes.HasPrefix(commentOpen, b) ||
		len(b) < len(cdataOpen) && bytes.HasPrefix(cdataOpen, b) ||
		len(b) <= len(eventClose) && bytes.HasPrefix(eventClose, b) ||
		len(b) <= len(eventOpen) && bytes.HasPrefix(eventOpen, b)
}

// tag gives the length of the start or end tag that b begins with. A '<' inside
// means that the tag is broken and ends before it, in a quoted value too, where
// XML does not allow it. ok is false when the tag's end is not there yet.
func tag(b []byte) (n int, selfClosed, ok bool) {
	var quote byte
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '<':
			return i, false, true
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1, b[i-1] == '/', true
		}
	}
	return 0, false, false
}
