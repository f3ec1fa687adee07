package main

import (
	"strings"
	"time"

	"github.com/takhost/takhost/sdk"
)

// event handles what a client, a feed or another plugin sent; the core has routed
// it already.
func (p *plugin) event(c *sdk.Call, e sdk.Event) error {
	emergency := e.Detail().Root().Child("emergency")
	cancel, _ := emergency.Attr("cancel")
	if e.Type() == typeCancel || strings.EqualFold(cancel, "true") {
		return p.cancelled(c, e)
	}
	if !isAlert(e) {
		return nil
	}
	old, there, err := find(c, e.UID(), false)
	if err != nil {
		return err
	}
	if there && !owns(e, old) {
		c.Log().Warn("an alert of somebody else was sent under the same uid; the first one stays", "uid", e.UID(), "sender", e.Client())
		return nil
	}
	said, _ := emergency.Attr("type")
	now := c.Now()
	a := &alert{
		uid: strings.Clone(e.UID()), typ: e.Type(), kind: kindOf(e.Type(), said), callsign: callsignOf(e),
		sender: e.Client(), user: e.User(), lat: e.Lat(), lon: e.Lon(), hae: e.Hae(),
		remarks: clip(e.Detail().Root().Child("remarks").Text(), 8192), started: now, updated: now, set: int32(e.Groups()),
	}
	if there {
		a.started = old.started
	} else if err := p.makeRoom(c, a.sender); err != nil {
		return err
	}
	if err := a.save(c, e.XML()); err != nil {
		return err
	}
	if there {
		return nil
	}
	c.Log().Info("emergency", "kind", a.kind, "callsign", a.callsign, "uid", a.uid)
	c.Count("alerts", 1)
	if err := p.greet(c, a, e.Recv()); err != nil {
		return err
	}
	return p.wind(c)
}

// isAlert leaves out what only looks like one: an event without a place, or one
// that was sent to certain receivers and so is theirs alone.
func isAlert(e sdk.Event) bool {
	for i := range e.NumDests() {
		if e.Dest(i).Value != "All Streaming" {
			return false
		}
	}
	return e.UID() != "" && e.Type() != typeCancel
}

// owns says whether the sender of e is the one of a. An alert that no client sent,
// as one by REST, is its user's, whatever client he has.
func owns(e sdk.Event, a *alert) bool {
	return a.user == e.User() && (a.sender == "" || a.sender == e.Client())
}

// callsignOf gives who is in distress: the text of <emergency>, or the contact's
// callsign, which for ATAK ends in -Alert.
func callsignOf(e sdk.Event) string {
	root := e.Detail().Root()
	if s := strings.TrimSpace(root.Child("emergency").Text()); s != "" {
		return clip(s, 256)
	}
	callsign, _ := root.Child("contact").Attr("callsign")
	return clip(strings.TrimSuffix(callsign, "-Alert"), 256)
}

// cancelled ends an alert that its owner cancels. The core has passed the event
// on. One that is not active is nothing to us.
func (p *plugin) cancelled(c *sdk.Call, e sdk.Event) error {
	a, ok, err := find(c, e.UID(), false)
	if err != nil || !ok {
		return err
	}
	if !owns(e, a) {
		c.Log().Warn("somebody else tried to cancel an alert; it stays active", "uid", a.uid, "callsign", a.callsign, "sender", e.Client())
		return nil
	}
	c.Log().Info("emergency cancelled", "kind", a.kind, "callsign", a.callsign, "uid", a.uid)
	if err := a.remove(c); err != nil || p.sent.Before(sdk.TimeOf(e.Recv()).Add(-overtaken)) {
		return err
	}
	xml, err := a.end(c)
	if err != nil {
		return err
	}
	to := sdk.ToSet(a.set)
	if a.sender != "" {
		to = sdk.Except(to, a.sender)
	}
	return c.EmitAll(sdk.Emission{XML: xml, Audience: to, Fleeting: true})
}

// overtaken is how long before a cancel came the alert may have been sent again for
// that to have left after the cancel. Then the cancel is repeated, or the alert
// would be back on the maps.
const overtaken = time.Second

func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return strings.Clone(s)
}
