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
	at       int    // everything before is walked
	close    []byte // the end of the comment, CDATA or instruction that at is in
	boundary int    // in one of these: where to go on if it has no end (boundaryIn); 0 for not known
}

// run walks on. data begins with the event's '<'.
func (w *walker) run(data []byte) (int, walkResult) {
	for {
		if w.close != nil {
			i := bytes.Index(data[w.at:], w.close)
			if i < 0 {
				if w.boundary == 0 {
					w.boundary = boundaryIn(data, w.at)
				}
				return 0, walkMore
			}
			w.at += i + len(w.close)
			w.close, w.boundary = nil, 0
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
			w.open(commentOpen, commentClose)
		case bytes.HasPrefix(rest, cdataOpen):
			w.open(cdataOpen, cdataClose)
		case bytes.HasPrefix(rest, piOpen):
			w.open(piOpen, piClose)
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
// before a start tag that comes first, when the broken event has no end.
func boundaryIn(data []byte, at int) int {
	end, _ := endTag(data, at)
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

func (w *walker) open(mark, until []byte) {
	w.at += len(mark)
	w.close = until
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
