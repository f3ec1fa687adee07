package tree

import (
	"errors"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// AppendXML appends the tree of an XML document by DefaultLimits: see
// [Limits.AppendXML].
func AppendXML(dst []byte, doc string) ([]byte, error) { return DefaultLimits.AppendXML(dst, doc) }

// AppendXML appends the tree of an XML document in UTF-8: its root element is
// the tree's. Names have the prefixes that the document writes; name spaces are
// the reader's affair. The error is an *Error; dst is then given back as it was.
func (l Limits) AppendXML(dst []byte, doc string) ([]byte, error) {
	l = l.orDefault()
	if len(doc) > l.Size {
		return dst, &Error{Offset: l.Size, Msg: "document is too long", Limit: true}
	}
	from, err := prolog(doc)
	if err != nil {
		return dst, err
	}
	if n := strings.Count(doc, "<") - strings.Count(doc, "</"); n > l.Nodes {
		// More than there can be elements; comments count too, as in a request
		// body of that many they have no business.
		return dst, &Error{Offset: from, Msg: "too many elements", Limit: true}
	}
	// The parser takes a document for the content of an event's detail: two
	// levels that the document does not have.
	h := cot.Header{DetailAt: from, DetailTo: len(doc)}
	t, err := cot.Limits{Size: l.Size, Depth: l.Depth + 2}.ParseDetail(doc, &h)
	if err != nil {
		var fault *cot.Error
		if errors.As(err, &fault) {
			return dst, &Error{Offset: fault.Offset, Msg: fault.Msg, Limit: errors.Is(err, cot.ErrLimit)}
		}
		return dst, err
	}
	if err := oneRoot(t); err != nil {
		return dst, err
	}
	return hostapi.AppendElementTree(dst, t), nil
}

// prolog gives where the document begins behind a byte order mark and an XML
// declaration, in which only the encoding matters.
func prolog(doc string) (int, error) {
	from := len(doc) - len(strings.TrimPrefix(doc, bom))
	rest := doc[from:]
	if !strings.HasPrefix(rest, "<?xml ") && !strings.HasPrefix(rest, "<?xml\t") &&
		!strings.HasPrefix(rest, "<?xml\r") && !strings.HasPrefix(rest, "<?xml\n") {
		return from, nil
	}
	decl, _, ok := strings.Cut(rest, "?>")
	if !ok {
		return 0, &Error{Offset: from, Msg: "text ends inside the XML declaration"}
	}
	if _, value, ok := strings.Cut(decl, "encoding"); ok {
		value = strings.TrimLeft(value, " \t\r\n=")
		if value == "" || value[0] != '"' && value[0] != '\'' {
			return 0, &Error{Offset: from, Msg: "no encoding in quotes in the XML declaration"}
		}
		name, _, _ := strings.Cut(value[1:], value[:1])
		if !strings.EqualFold(name, "utf-8") && !strings.EqualFold(name, "utf8") && !strings.EqualFold(name, "us-ascii") {
			return 0, &Error{Offset: from, Msg: "encoding is not UTF-8"}
		}
	}
	return from + len(decl) + len("?>"), nil
}

// oneRoot says why a text that is well-formed as content is no document.
func oneRoot(t cot.Tree) error {
	if t.Len() == 0 {
		return &Error{Offset: len(t.Source()), Msg: "document has no element"}
	}
	if next := t.Element(1).Next; next > 0 {
		return &Error{Offset: int(t.Element(next).All.At), Msg: "a second element after the document's own"}
	}
	if text := string(t.AppendText(nil, 0)); strings.Trim(text, " \t\r\n") != "" {
		return &Error{Msg: "text outside of the document's element"}
	}
	return nil
}
