package cot

import "strings"

// Retype gives a copy of xml, a text that Scan read into h, with another
// event/@type. typ is escaped but not checked: it should be legal text.
func Retype(xml string, h *Header, typ string) string {
	at := h.TypeAt
	if at < 1 || at >= len(xml) {
		return xml
	}
	n := strings.IndexByte(xml[at:], xml[at-1]) // the quote that opened the value
	if n < 0 {
		return xml
	}
	b := make([]byte, 0, len(xml)-n+len(typ))
	b = append(b, xml[:at]...)
	b = appendEscaped(b, typ, true)
	return string(append(b, xml[at+n:]...))
}
