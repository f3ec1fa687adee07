package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
)

// maxCaptured bounds one event of a file, in JSON with its escapes.
const maxCaptured = 64 << 20

const byteOrderMark = "\ufeff"

// readChunk is how much is read at once, at least.
const readChunk = 64 << 10

// captured is one event to send again.
type captured struct {
	xml    string
	header cot.Header
	at     int64 // when it happened, for the pace: µs since 1970, 0 if unknown
}

// captureReader reads events from a file: XML elements one after the other,
// with or without prologs, comments and white space between them, or lines of
// JSON as the commands tail and query write them, or both mixed.
type captureReader struct {
	in   io.Reader
	buf  []byte // not yet used
	base int64  // offset of buf in the file
	eof  bool
}

// badEvent says what in a file is no event. Reading can go on behind it.
type badEvent struct {
	Offset int64
	Err    error
}

func (e *badEvent) Error() string { return fmt.Sprintf("at byte %d: %v", e.Offset, e.Err) }

func (e *badEvent) Unwrap() error { return e.Err }

// next gives the next event, or io.EOF.
func (r *captureReader) next() (*captured, error) {
	for {
		r.skipSpace()
		if len(r.buf) == 0 {
			more, err := r.fill()
			if err != nil {
				return nil, err
			}
			if !more {
				return nil, io.EOF
			}
			continue
		}
		switch {
		case r.buf[0] == '{':
			return r.line()
		case r.has("<?"):
			if err := r.skipTo("<?", "?>", "a prolog without an end"); err != nil {
				return nil, err
			}
		case r.has("<!--"):
			if err := r.skipTo("<!--", "-->", "a comment without an end"); err != nil {
				return nil, err
			}
		case r.has("<event"):
			return r.element()
		default:
			return nil, r.bad(1, errors.New("here is neither an event (<event …>) nor a JSON object"))
		}
	}
}

// fill reads more, perhaps nothing; more is false at the end of the file.
func (r *captureReader) fill() (more bool, err error) {
	if r.eof {
		return false, nil
	}
	if len(r.buf) > maxCaptured {
		return false, fmt.Errorf("at byte %d: an event without an end in %d MB", r.base, maxCaptured>>20)
	}
	if cap(r.buf)-len(r.buf) < readChunk {
		// Doubling keeps the copying of a long event linear.
		grown := make([]byte, len(r.buf), 2*len(r.buf)+2*readChunk)
		copy(grown, r.buf)
		r.buf = grown
	}
	// One read, not a full buffer: a pipe may bring events one by one.
	n, err := r.in.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if errors.Is(err, io.EOF) {
		r.eof = true
		return n > 0, nil
	}
	return true, err
}

func (r *captureReader) skip(n int) {
	r.buf = r.buf[n:]
	r.base += int64(n)
}

func (r *captureReader) skipSpace() {
	if r.base == 0 && r.has(byteOrderMark) {
		r.skip(len(byteOrderMark))
	}
	r.skip(len(r.buf) - len(bytes.TrimLeft(r.buf, " \t\r\n\x00")))
}

// has says whether what is next begins with text, reading on if need be.
func (r *captureReader) has(text string) bool {
	for len(r.buf) < len(text) {
		if more, err := r.fill(); err != nil || !more {
			break // the caller reads again and gets the error
		}
	}
	return bytes.HasPrefix(r.buf, []byte(text))
}

// find gives the offset behind the next end, -1 if there is none.
func (r *captureReader) find(end string) (int, error) {
	from := 0
	for {
		if i := bytes.Index(r.buf[from:], []byte(end)); i >= 0 {
			return from + i + len(end), nil
		}
		from = max(0, len(r.buf)-len(end)+1)
		if more, err := r.fill(); err != nil || !more {
			return -1, err
		}
	}
}

// skipTo passes over what begins and ends so.
func (r *captureReader) skipTo(begin, end, otherwise string) error {
	n, err := r.find(end)
	if err != nil {
		return err
	}
	if n < 0 {
		return r.bad(len(begin), errors.New(otherwise))
	}
	r.skip(n)
	return nil
}

// bad reports what is at the front and passes over it: to the next event or
// line behind the first n bytes.
func (r *captureReader) bad(n int, why error) error {
	e := &badEvent{Offset: r.base, Err: why}
	for {
		r.skip(min(n, len(r.buf)))
		i := bytes.Index(r.buf, []byte("<event"))
		if j := bytes.Index(r.buf, []byte("\n{")); j >= 0 && (i < 0 || j < i) {
			i = j
		}
		if i >= 0 {
			r.skip(i)
			return e
		}
		n = max(0, len(r.buf)-len("<event")+1)
		more, err := r.fill()
		if err != nil {
			return err
		}
		if !more {
			r.skip(len(r.buf))
			return e
		}
	}
}

// line reads a JSON object, which ends with its line.
func (r *captureReader) line() (*captured, error) {
	n, err := r.find("\n")
	if err != nil {
		return nil, err
	}
	if n < 0 {
		n = len(r.buf)
	}
	var l struct {
		Recv *time.Time `json:"recv"`
		XML  string     `json:"xml"`
	}
	if err := json.Unmarshal(r.buf[:n], &l); err != nil {
		return nil, r.bad(n-1, fmt.Errorf("read a line of JSON: %w", err))
	}
	if l.XML == "" {
		return nil, r.bad(n-1, errors.New(`the JSON object has no "xml"`))
	}
	c := &captured{xml: strings.TrimSpace(l.XML)}
	if err := cot.Scan(c.xml, &c.header); err != nil {
		return nil, r.bad(n-1, err)
	}
	c.at = c.header.Time
	if l.Recv != nil {
		c.at = l.Recv.UnixMicro()
	}
	r.skip(n)
	return c, nil
}

// maxTries is at how many end tags an event is tried to end: those in comments
// and CDATA are none.
const maxTries = 8

// element reads an event of XML.
func (r *captureReader) element() (*captured, error) {
	var first error
	from := 0
	for range maxTries {
		n, err := r.elementEnd(from)
		if err != nil {
			return nil, err
		}
		if n < 0 {
			break
		}
		c := &captured{xml: string(r.buf[:n])}
		err = cot.Scan(c.xml, &c.header)
		if err == nil {
			c.at = c.header.Time
			r.skip(n)
			return c, nil
		}
		if !errors.Is(err, cot.ErrMalformed) {
			return nil, r.bad(n, err)
		}
		if first == nil {
			first = err
		}
		from = n
	}
	if first == nil {
		first = errors.New("an event without an end")
	}
	// What looks like the begin of another event inside it may be one.
	return nil, r.bad(len("<event"), first)
}

// elementEnd gives where the event at the front may end, behind from, or -1.
func (r *captureReader) elementEnd(from int) (int, error) {
	if from == 0 {
		n, err := r.find(">")
		if err != nil || n < 0 {
			return -1, err
		}
		if n >= 2 && r.buf[n-2] == '/' && bytes.IndexByte(r.buf[1:n], '<') < 0 {
			return n, nil
		}
	}
	const end = "</event"
	for {
		if i := bytes.Index(r.buf[from:], []byte(end)); i >= 0 {
			from += i + len(end)
			if j := bytes.IndexByte(r.buf[from:], '>'); j >= 0 {
				if len(bytes.TrimSpace(r.buf[from:from+j])) == 0 {
					return from + j + 1, nil
				}
				continue
			}
			from -= len(end)
		} else {
			from = max(from, len(r.buf)-len(end)+1)
		}
		more, err := r.fill()
		if err != nil || !more {
			return -1, err
		}
	}
}
