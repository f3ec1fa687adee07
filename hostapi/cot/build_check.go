package cot

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func isName(s string) bool { return s != "" && nameEnd(s, 0) == len(s) }

// legalText says whether s is UTF-8 and all of it may stand in XML.
func legalText(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !legalRune(r) }) < 0
}

// checkContent says whether xml can stand between the tags of an element that
// is inside so many others, itself included.
func checkContent(xml string, depth int) error {
	l := DefaultLimits
	if len(xml) > l.Size {
		return fault{why: textTooLong, at: int32(l.Size)}.error(xml)
	}
	l.Depth = max(l.Depth-depth, 0)
	var tab tables
	open, attrs := tab.sized(l, len(xml))
	lx := lexer{openTab: open, attrTab: attrs}
	for {
		switch lx.next(xml) {
		case tokDone:
			return nil
		case tokFault:
			return lx.fault.error(xml)
		}
	}
}

// formatFloat writes a finite number in the shortest form that reads back as
// the same, with a decimal point as ATAK does: 9999999.0.
func formatFloat(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	if strings.IndexByte(s, '.') < 0 {
		s += ".0"
	}
	return s
}
