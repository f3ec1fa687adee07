package cot

import (
	"errors"
	"strconv"
	"unicode/utf8"
)

// The kinds of Error, for errors.Is.
var (
	// ErrMalformed: the text is no well-formed XML document of one event.
	ErrMalformed = errors.New("malformed event")
	// ErrLimit: the event is larger, deeper or richer in attributes than Limits.
	ErrLimit = errors.New("event beyond limits")
	// ErrInvalid: well-formed, but uid or type is missing or empty, or a time or
	// number cannot be read.
	ErrInvalid = errors.New("invalid event")
)

// Error says what is wrong with a text and where. It repeats nothing of the
// event but names of elements and attributes, so it may be logged.
type Error struct {
	Offset int // bytes from the start of the text
	Msg    string

	kind error
}

func (e *Error) Error() string {
	return e.kind.Error() + ": byte " + strconv.Itoa(e.Offset) + ": " + e.Msg
}

// Unwrap gives the kind: ErrMalformed, ErrLimit or ErrInvalid.
func (e *Error) Unwrap() error { return e.kind }

// A fault is what a lexer or scanner keeps of an error: numbers only, see
// lexer. The zero fault is none.
type fault struct {
	why reason
	at  int32
	of  span // a name to be told, or nothing
}

func (f fault) error(s string) *Error {
	e := &Error{Offset: int(f.at), Msg: reasons[f.why], kind: f.why.kind()}
	if f.of.to > f.of.at {
		e.Msg += " " + clip(f.of.in(s))
	}
	return e
}

// clip cuts a name to what an error message may hold of it.
func clip(name string) string {
	const most = 32
	if len(name) <= most {
		return name
	}
	n := most
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n] + "…"
}

type reason uint8

const (
	_ reason = iota
	notEvent
	moreText
	cutText
	cutElement
	badRune
	badControl
	badReference
	badCDATAEnd
	badElementName
	badAttrName
	badPIName
	badXMLDecl
	badComment
	badDeclaration
	endWithoutStart
	endMismatch
	endTrailing
	badSlash
	noSpace
	noEquals
	noQuotes
	lessInValue
	attrTwice
	textTooLong
	tooDeep
	tooManyAttrs
	tooManyDests
	noUID
	noType
	badTime
	badNumber
	badRange
)

// A reason that takes a name ends so that the name can follow.
var reasons = [...]string{
	notEvent:        "text does not begin with an event element",
	moreText:        "more text after the end of element",
	cutText:         "text ends inside markup",
	cutElement:      "text ends inside element",
	badRune:         "bytes that are no UTF-8 or no XML character",
	badControl:      "control character",
	badReference:    "& that begins none of the five entities and no legal character reference",
	badCDATAEnd:     "]]> in text",
	badElementName:  "< without the name of an element after it",
	badAttrName:     "a character that cannot begin an attribute, in the start tag of",
	badPIName:       "processing instruction without a proper name",
	badXMLDecl:      "XML declaration inside the event",
	badComment:      "-- inside a comment",
	badDeclaration:  "a document type or another declaration",
	endWithoutStart: "end tag without a start tag",
	endMismatch:     "end tag is not that of the open element",
	endTrailing:     "more than a name in the end tag of",
	badSlash:        "/ inside the start tag of",
	noSpace:         "no white space before an attribute of",
	noEquals:        "no = after attribute",
	noQuotes:        "no quotes around the value of attribute",
	lessInValue:     "< in the value of attribute",
	attrTwice:       "the same attribute twice:",
	textTooLong:     "text is too long",
	tooDeep:         "elements nested too deep",
	tooManyAttrs:    "too many attributes in element",
	tooManyDests:    "too many destinations",
	noUID:           "event has no uid",
	noType:          "event has no type",
	badTime:         "no time in event attribute",
	badNumber:       "no finite number in point attribute",
	badRange:        "header does not belong to this text",
}

func (w reason) kind() error {
	switch {
	case w >= noUID:
		return ErrInvalid
	case w >= textTooLong:
		return ErrLimit
	default:
		return ErrMalformed
	}
}
