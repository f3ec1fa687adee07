package main

import (
	"strings"

	"github.com/takhost/takhost/sdk"
)

// list answers a page of the active alerts, newest first.
func (p *plugin) list(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	q := r.Query()
	limit, after := q.IntOr("limit", 100, sdk.Between(1, 1000)), q.TextOr("after", "")
	if err := r.Err(); err != nil {
		return err
	}
	page, err := c.Collection("alerts").AsCaller().By("by-started").Descending().Limit(int(limit)).After(after).Page()
	if err != nil {
		return err
	}
	j := w.JSON().Object().Key("emergencies").Array()
	for i := range page.Documents {
		j.Raw(page.Documents[i].Body)
	}
	j.End()
	if page.Next != "" {
		j.Key("next").Text(page.Next)
	}
	return nil
}

func (p *plugin) show(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	a, ok, err := find(c, r.Param("uid"), true)
	if err != nil {
		return err
	}
	if !ok {
		return sdk.NotFoundf("there is no active emergency %s", clip(r.Param("uid"), 128))
	}
	a.write(w.JSON())
	return nil
}

func (p *plugin) raise(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Fields()
	a, err := p.raised(c, in.Text("type"), in.Text("callsign"), in.TextOr("remarks", ""),
		in.Float("lat", sdk.Between(-90, 90)), in.Float("lon", sdk.Between(-180, 180)), in.FloatOr("hae", sdk.Unknown), r.Err)
	if err != nil {
		return err
	}
	w.Status(201).Header("Location", "/api/v1/emergencies/"+a.uid)
	a.write(w.JSON())
	return nil
}

// raised starts an alert that no client sent. fault gives what was wrong with
// the values.
func (p *plugin) raised(c *sdk.Call, kind, callsign, remarks string, lat, lon, hae float64, fault func() error) (*alert, error) {
	if err := fault(); err != nil {
		return nil, err
	}
	typ, kind, ok := typeOf(kind)
	if !ok {
		return nil, sdk.Invalidf("this type of emergency is not known; there are %s", kindNames())
	}
	uid, err := c.NewUID()
	if err != nil {
		return nil, err
	}
	if typ == type911 && !strings.Contains(remarks, call911) {
		remarks = strings.TrimSpace(remarks + " " + call911)
	}
	now := c.Now()
	a := &alert{
		uid: uid, typ: typ, kind: kind, callsign: callsign, user: c.Caller().User, lat: lat, lon: lon, hae: hae,
		remarks: remarks, started: now, updated: now, set: c.Caller().InSet,
	}
	if err := p.makeRoom(c, ""); err != nil {
		return nil, err
	}
	xml, err := a.event(c, p.hold())
	if err != nil {
		return nil, sdk.Invalidf("%v", err)
	}
	if err := a.save(c, xml); err != nil {
		return nil, err
	}
	if err := c.EmitXML(xml, sdk.ToSet(a.set)); err != nil {
		return nil, err
	}
	c.Log().Info("emergency", "kind", a.kind, "callsign", a.callsign, "uid", a.uid, "by", a.user)
	c.Count("alerts", 1)
	return a, p.wind(c)
}

// call911 is what FreeTAKServer writes into the remarks of a 911 alert.
const call911 = "CALL 911 NOW"

func (p *plugin) cancelOne(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	a, ok, err := p.cancel(c, r.Param("uid"))
	if err != nil {
		return err
	}
	if !ok {
		return sdk.NotFoundf("there is no active emergency %s", clip(r.Param("uid"), 128))
	}
	a.write(w.JSON())
	return nil
}

// cancel ends an alert for a caller: an operator, or the user whose it is.
func (p *plugin) cancel(c *sdk.Call, uid string) (*alert, bool, error) {
	a, ok, err := find(c, uid, true)
	if err != nil || !ok {
		return nil, false, err
	}
	if by := c.Caller(); !c.HasRole("admin", "operator") && (by.User == "" || by.User != a.user) {
		return nil, false, sdk.Forbiddenf("only an operator, or who raised it, may cancel this emergency")
	}
	xml, err := a.end(c)
	if err != nil {
		return nil, false, err
	}
	if err := c.EmitXML(xml, sdk.ToSet(a.set)); err != nil {
		return nil, false, err
	}
	c.Log().Info("emergency cancelled", "kind", a.kind, "callsign", a.callsign, "uid", a.uid, "by", c.Caller().User)
	return a, true, a.remove(c)
}
