package cot

import (
	"strings"
	"time"
)

// Restamp moves time, start and stale of an event, so that its time is now and
// the distances between them stay; every other byte stays too. xml is a text that
// Scan read into h. A time that the event lacks stays away. With a
// hold above zero its stale is that far from now at least.
func Restamp(xml string, h *Header, now time.Time, hold time.Duration) string {
	base := h.Time
	if base == 0 {
		base = h.Start
	}
	if base == 0 {
		return xml
	}
	by := now.UnixMicro() - base
	var out strings.Builder
	out.Grow(len(xml) + 16)
	at := 0
	for name, span := range eventAttrs(xml) {
		var usec int64
		switch name {
		case "time":
			usec = h.Time
		case "start":
			usec = h.Start
		case "stale":
			if usec = h.Stale; hold > 0 {
				usec = max(usec, base+hold.Microseconds())
			}
		default:
			continue
		}
		out.WriteString(xml[at:span[0]])
		out.Write(AppendTime(nil, usec+by))
		at = span[1]
	}
	out.WriteString(xml[at:])
	return out.String()
}

// eventAttrs goes over the attributes of the event element of a well-formed
// event: their names, and where their values lie between the quotes.
func eventAttrs(xml string) func(yield func(name string, value [2]int) bool) {
	return func(yield func(string, [2]int) bool) {
		i := len("<event")
		for {
			for i < len(xml) && strings.IndexByte(" \t\r\n", xml[i]) >= 0 {
				i++
			}
			if i >= len(xml) || xml[i] == '>' || xml[i] == '/' {
				return
			}
			eq := strings.IndexByte(xml[i:], '=')
			if eq < 0 {
				return
			}
			name := strings.TrimRight(xml[i:i+eq], " \t\r\n")
			i += eq + 1
			for i < len(xml) && strings.IndexByte(" \t\r\n", xml[i]) >= 0 {
				i++
			}
			if i >= len(xml) {
				return
			}
			end := strings.IndexByte(xml[i+1:], xml[i])
			if end < 0 {
				return
			}
			if !yield(name, [2]int{i + 1, i + 1 + end}) {
				return
			}
			i += end + 2
		}
	}
}
