package takclient

import (
	"cmp"
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Types of the messages that keep a connection going (spec/tak-streaming.md 4, 6).
const (
	typePing   = "t-x-c-t"
	typePong   = "t-x-c-t-r"
	typeOffer  = "t-x-takp-v"
	typeAsk    = "t-x-takp-q"
	typeAnswer = "t-x-takp-r"
)

// Event is an event to send, in the shape in which ATAK writes one.
type Event struct {
	UID, Type, How string
	Time           time.Time     // zero: now
	Stale          time.Duration // after Time; zero: 75 s
	Lat, Lon       float64       // degrees; height and errors are written as unknown
	Detail         string        // XML inside <detail>, as it is
}

// XML writes the event element, without a prolog.
func (e Event) XML() string {
	at := e.Time
	if at.IsZero() {
		at = time.Now()
	}
	stale := e.Stale
	if stale == 0 {
		stale = 75 * time.Second
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<event version="2.0" uid="%s" type="%s" how="%s" time="%s" start="%[4]s" stale="%[5]s">`,
		Escape(e.UID), Escape(e.Type), Escape(e.How), Time(at), Time(at.Add(stale)))
	fmt.Fprintf(&b, `<point lat="%s" lon="%s" hae="9999999.0" ce="9999999.0" le="9999999.0"/>`, degrees(e.Lat), degrees(e.Lon))
	fmt.Fprintf(&b, `<detail>%s</detail></event>`, e.Detail)
	return b.String()
}

func degrees(d float64) string { return strconv.FormatFloat(d, 'f', -1, 64) }

// Time writes a time as events have it.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Escape makes text fit for an attribute or for the text of an element.
func Escape(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(s)); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return b.String()
}

// Dest names a receiver: Kind is the attribute of <dest>, such as callsign, uid,
// mission or group (spec/tak-streaming.md 10).
type Dest struct{ Kind, Value string }

// Marti writes the element that addresses an event, for a Detail.
func Marti(to ...Dest) string {
	var b strings.Builder
	b.WriteString("<marti>")
	for _, d := range to {
		fmt.Fprintf(&b, `<dest %s="%s"/>`, d.Kind, Escape(d.Value))
	}
	b.WriteString("</marti>")
	return b.String()
}

// Presence is the client's SA event, as an ATAK device writes it; more is XML
// that goes into its detail too.
func (c *Client) Presence(lat, lon float64, more ...string) Event {
	o := &c.opt
	return Event{
		UID: o.uid, Type: "a-f-G-U-C", How: "m-g", Lat: lat, Lon: lon,
		Detail: `<takv os="33" version="4.10.0.1" device="TEST DEVICE" platform="ATAK-CIV"/>` +
			`<contact endpoint="*:-1:stcp" callsign="` + Escape(o.callsign) + `"/><uid Droid="` + Escape(o.callsign) + `"/>` +
			`<precisionlocation altsrc="GPS" geopointsrc="GPS"/>` +
			`<__group role="` + Escape(o.role) + `" name="` + Escape(o.team) + `"/>` +
			`<status battery="80"/><track course="90.0" speed="1.5"/>` + strings.Join(more, ""),
	}
}

// Peer names someone to chat with. The message goes to the callsign if there
// is one, as ATAK sends it, else to the uid.
type Peer struct{ UID, Callsign string }

// Peer is the client itself as others address it.
func (c *Client) Peer() Peer { return Peer{c.opt.uid, c.opt.callsign} }

const allChatRooms = "All Chat Rooms"

// GeoChat is a chat message of this client: to All Chat Rooms without a peer,
// to one, or to a group of several (spec/tak-streaming.md 11).
func (c *Client) GeoChat(text string, to ...Peer) Event {
	room, id := allChatRooms, allChatRooms
	switch len(to) {
	case 0:
	case 1:
		room, id = cmp.Or(to[0].Callsign, to[0].UID), cmp.Or(to[0].UID, to[0].Callsign)
	default:
		room, id = "Test Group", "group-"+rand.Text()
	}
	msg, now, me := rand.Text(), time.Now(), Escape(c.opt.uid)
	var d strings.Builder
	var dests []Dest
	fmt.Fprintf(&d, `<__chat parent="RootContactGroup" groupOwner="false" messageId="%s" chatroom="%s" id="%s" senderCallsign="%s"><chatgrp uid0="%s"`,
		msg, Escape(room), Escape(id), Escape(c.opt.callsign), me)
	if len(to) == 0 {
		fmt.Fprintf(&d, ` uid1="%s"`, allChatRooms)
	}
	for i, p := range to {
		fmt.Fprintf(&d, ` uid%d="%s"`, i+1, Escape(p.UID))
		if p.Callsign != "" {
			dests = append(dests, Dest{"callsign", p.Callsign})
		} else {
			dests = append(dests, Dest{"uid", p.UID})
		}
	}
	fmt.Fprintf(&d, ` id="%s"/></__chat><link uid="%s" type="a-f-G-U-C" relation="p-p"/>`, Escape(id), me)
	fmt.Fprintf(&d, `<remarks source="BAO.F.ATAK.%s" to="%s" time="%s">%s</remarks>`, me, Escape(id), Time(now), Escape(text))
	if len(to) > 0 {
		d.WriteString(Marti(dests...))
	}
	return Event{
		UID:  "GeoChat." + c.opt.uid + "." + id + "." + msg,
		Type: "b-t-f", How: "h-g-i-g-o", Time: now, Stale: 24 * time.Hour, Detail: d.String(),
	}
}
