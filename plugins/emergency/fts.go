package main

import "github.com/takhost/takhost/sdk"

// FreeTAKServer's endpoints (spec/rest.md 5), as its web UI and scripts use them.

// ftsGet lists what the UI shows: it needs all five values, and cancels by uid.
func (p *plugin) ftsGet(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	j := w.JSON().Object().Key("json_list").Array()
	for d, err := range c.Collection("alerts").AsCaller().By("by-started").All() {
		if err != nil {
			return err
		}
		a, err := readAlert(d)
		if err != nil {
			return err
		}
		j.Object().Key("lat").Float(a.lat).Key("lon").Float(a.lon).Key("type").Text(a.kind).
			Key("name").Text(a.callsign).Key("uid").Text(a.uid).End()
	}
	return nil
}

func (p *plugin) ftsPost(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Fields().Loose()
	if in.Has("address") && !in.Has("latitude") && !in.Has("longitude") {
		return sdk.Invalidf("address: this server looks no addresses up; give latitude and longitude")
	}
	a, err := p.raised(c, in.Text("emergencyType"), in.Text("name", sdk.AtMost(256)), in.TextOr("remarks", "", sdk.AtMost(8192)),
		in.FloatOr("latitude", 0, sdk.Between(-90, 90)), in.FloatOr("longitude", 0, sdk.Between(-180, 180)), sdk.Unknown, r.Err)
	if err != nil {
		return err
	}
	w.JSON().Object().Key("message").Text(a.uid)
	return nil
}

// ftsDelete answers 200 also when there is no such alert: then it is over.
func (p *plugin) ftsDelete(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	uid := r.Fields().Loose().Text("uid")
	if err := r.Err(); err != nil {
		return err
	}
	if _, _, err := p.cancel(c, uid); err != nil {
		return err
	}
	w.JSON().Object().Key("message").Text(uid)
	return nil
}
