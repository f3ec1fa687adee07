package main

import "github.com/takhost/takhost/sdk"

// FreeTAKServer's endpoints (spec/rest.md 6).

func (p *plugin) ftsToAll(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Fields().Loose()
	text, sender := in.TextOr("message", "", sdk.AtMost(maxText)), in.TextOr("sender", "", sdk.AtMost(maxName))
	if err := r.Err(); err != nil {
		return err
	}
	if _, err := p.post(c, text, sender, "", ""); err != nil {
		return err
	}
	w.JSON().Object().Key("message").Text("success")
	return nil
}

// ftsSend takes the CoT tree as nested objects, with texts as INTAG. What counts is
// the text, the sender, and whom it is for.
func (p *plugin) ftsSend(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	detail := r.Tree.Root().Child("detail")
	chat := detail.Child("__chat")
	if !chat.Exists() {
		chat = detail.Child("_chat")
	}
	text := detail.Child("remarks").Child("INTAG").Text()
	switch {
	case text == "":
		return sdk.Invalidf("detail.remarks.INTAG: the text of the message is missing")
	case len(text) > maxText:
		return sdk.Invalidf("detail.remarks.INTAG: has more than %d bytes", maxText)
	}
	dest := detail.Child("marti").Child("dest")
	if list := dest.Child("callsign"); !list.Exists() && dest.NumChildren() > 0 {
		dest = dest.At(0) // a list of destinations: the first one counts, as in FreeTAKServer
	}
	callsign := dest.Child("callsign").Text()
	if callsign == allRooms || callsign == "All Streaming" {
		callsign = ""
	}
	if _, err := p.post(c, text, clip(chat.Child("senderCallsign").Text(), maxName), "", clip(callsign, maxName)); err != nil {
		return err
	}
	w.JSON().Object().Key("message").Text("geochat sent")
	return nil
}
