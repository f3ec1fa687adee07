package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi/cot"
)

// Forms of the time at the begin of a line, in local time.
const (
	timeOnly = "15:04:05.000"
	dateTime = "2006-01-02 15:04:05.000"
)

// writeLine writes an event for people: when, what, who, where, and what else
// is worth a word.
func writeLine(w io.Writer, e *web.Event, layout string) error {
	who := e.UID
	if e.Callsign != "" {
		who = e.Callsign + " (" + e.UID + ")"
	}
	where := ""
	if e.Lat != nil && e.Lon != nil {
		where = fmt.Sprintf("%.4f,%.4f", *e.Lat, *e.Lon)
	}
	line := fmt.Sprintf("%s  %-15s %-48s %-19s %s", e.Recv.Local().Format(layout), clean(e.Type), clean(who), where, clean(about(e)))
	_, err := fmt.Fprintln(w, strings.TrimRight(line, " "))
	return err
}

// about picks what tells most about an event: destinations, chat text and
// remarks, team and role.
func about(e *web.Event) string {
	var parts []string
	if team := strings.Trim(e.Team+"/"+e.Role, "/"); team != "" {
		parts = append(parts, team)
	}
	var h cot.Header
	if err := cot.Scan(e.XML, &h); err != nil {
		return strings.Join(parts, "  ") // the server had it right, so this cannot be
	}
	tree, err := cot.ParseDetail(e.XML, &h)
	if err != nil {
		return strings.Join(parts, "  ")
	}
	from, to := "", destinations(&h)
	if chat, ok := tree.Root().Child("__chat"); ok {
		from, _ = chat.Attr("senderCallsign")
		room, _ := chat.Attr("chatroom")
		to = cmp.Or(to, room)
	}
	if from != "" || to != "" {
		parts = append(parts, strings.TrimSpace(from+" → "+to))
	}
	if remarks, ok := tree.Root().Child("remarks"); ok {
		if text := strings.Join(strings.Fields(remarks.Text()), " "); text != "" {
			parts = append(parts, fmt.Sprintf("%q", shorten(text, 80)))
		}
	}
	return strings.Join(parts, "  ")
}

func destinations(h *cot.Header) string {
	var names []string
	for i := range h.NumDests() {
		if i == 5 {
			names = append(names, "…")
			break
		}
		names = append(names, h.Dest(i).Value)
	}
	return strings.Join(names, ", ")
}
