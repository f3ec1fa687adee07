package large

import (
	"fmt"
	"io"

	"github.com/takhost/takhost/hostapi/cot"
)

// Declaration begins every answer of /Marti/api/cot (spec/tak-marti.md 8), and
// so what the hash of a notice is of.
const Declaration = "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>"

// Body is what a client gets when it fetches an event: the declaration and the
// event without <marti>, which says who else it was sent to. Its parts lie one
// behind the other; those of the event are not copied.
type Body []string

// bodyOf gives the body of a text that cot.Scan read into h.
func bodyOf(xml string, h *cot.Header) Body {
	return append(Body{Declaration}, cot.WithoutMarti(xml, h)...)
}

// scan reads a text as large as any configuration allows.
func scan(xml string) (h cot.Header, err error) {
	if err = (cot.Limits{Size: 1 << 30}).Scan(xml, &h); err != nil {
		err = fmt.Errorf("read a stored event: %w", err)
	}
	return h, err
}

// Len is its length in bytes.
func (b Body) Len() (n int64) {
	for _, part := range b {
		n += int64(len(part))
	}
	return n
}

// piece is how much WriteTo writes at a time, so that whoever waits for a slow
// client sees it get on.
const piece = 32 << 10

// WriteTo writes it. It implements io.WriterTo.
func (b Body) WriteTo(w io.Writer) (n int64, err error) {
	for _, part := range b {
		for part != "" {
			m, err := io.WriteString(w, part[:min(len(part), piece)])
			if n += int64(m); err != nil {
				return n, err
			}
			part = part[m:]
		}
	}
	return n, nil
}
