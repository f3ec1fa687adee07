package main

import (
	"slices"

	"github.com/takhost/takhost/sdk"
)

// events notes receipts. ATAK answers an offer by b-f-t-a when it has the file, or could
// not get it, with the uid that ackrequest had; the event's own uid is the client's in
// some versions and that one in others. What clients offered one another is none of ours.
func (p *plugin) events(c *sdk.Call, b sdk.Batch) error {
	var uids []string
	for _, e := range b.All() {
		if uid := answered(e); uid != "" && !slices.Contains(uids, uid) {
			uids = append(uids, uid)
		}
	}
	if len(uids) == 0 {
		return nil
	}
	docs, err := c.Collection("offers").GetAll(uids...)
	if err != nil || len(docs) == 0 {
		return err
	}
	for i := range docs {
		o, err := parseOffer(&docs[i])
		if err != nil {
			return err
		}
		if err := o.answers(c, b); err != nil {
			return err
		}
	}
	return nil
}

// answers notes those of a batch that are for one offer.
func (o *offer) answers(c *sdk.Call, b sdk.Batch) error {
	var news []receipt
	for _, e := range b.All() {
		if answered(e) == o.uid && o.note(e) {
			news = append(news, o.received[len(o.received)-1])
		}
	}
	if len(news) == 0 {
		return nil
	}
	if err := nameAll(c, news, o.received); err != nil {
		return err
	}
	if err := o.publish(c, news); err != nil {
		return err
	}
	return o.save(c)
}

// answered gives the uid of the offer that an event answers.
func answered(e sdk.Event) string {
	uid, _ := e.Detail().Root().Child("ackresponse").Attr("uid")
	if len(uid) > maxText {
		return ""
	}
	return uid
}

// note adds what an event says; of a client the latest counts. Who sent it is what the
// core knows, and only of a connection without a uid what the event says.
func (o *offer) note(e sdk.Event) bool {
	ack := e.Detail().Root().Child("ackresponse")
	attr := func(name string) string {
		s, _ := ack.Attr(name)
		return shown(s)
	}
	r := receipt{
		uid: shown(e.Client()), callsign: shown(e.Callsign()), user: shown(e.User()),
		ok: attr("success") == "true", reason: attr("reason"), at: sdk.TimeOf(e.Recv()),
	}
	if r.uid == "" {
		r.uid = attr("senderUid")
	}
	if r.uid == "" {
		return false
	}
	for i, had := range o.received {
		if had.uid == r.uid && had.user == r.user {
			if had.ok && !r.ok {
				return false // it has the file, whatever became of a second try
			}
			o.received = slices.Delete(o.received, i, i+1)
			break
		}
	}
	if len(o.received) >= mostReceipts {
		o.more++
		o.received = slices.Delete(o.received, 0, 1)
	}
	o.received = append(o.received, r)
	return true
}

// nameAll finds the callsigns of clients that answered without a contact.
func nameAll(c *sdk.Call, lists ...[]receipt) error {
	var q sdk.ClientQuery
	for _, r := range lists[0] {
		if r.callsign == "" {
			q.UIDs = append(q.UIDs, r.uid)
		}
	}
	if len(q.UIDs) == 0 {
		return nil
	}
	clients, err := c.Clients(q)
	for _, l := range lists {
		for i := range l {
			for _, cl := range clients {
				if l[i].callsign == "" && cl.UID == l[i].uid && cl.User == l[i].user {
					l[i].callsign = shown(cl.Callsign)
				}
			}
		}
	}
	return err
}

// publish tells browsers of a receipt: all who may see the file, or of a private one the
// clients of who sent it and of who offered it.
func (o *offer) publish(c *sdk.Call, news []receipt) error {
	d, ok, err := c.Collection("files").Find(o.file)
	if err != nil || !ok {
		return err
	}
	f, err := parse(&d)
	if err != nil {
		return err
	}
	groups, err := o.still(c)
	if err != nil || len(groups) == 0 {
		return err
	}
	to := sdk.ToGroups(groups...)
	if f.private() {
		for _, uid := range []string{f.creator, o.client} {
			if uid != "" && !slices.Contains(to.UIDs, uid) {
				to.UIDs = append(to.UIDs, uid)
			}
		}
		if len(to.UIDs) == 0 {
			return nil
		}
	}
	for _, r := range news {
		var j sdk.JSON
		j.Object().Key("file").Text(o.file).Key("uid").Text(r.uid).Key("callsign").Text(r.callsign).
			Key("success").Bool(r.ok).Key("at").Time(r.at).End()
		if err := c.Publish(sdk.Update{Stream: "files", Event: "received", Data: j.Bytes(), Audience: to}); err != nil {
			return err
		}
	}
	return nil
}

// offers tells who was offered a file and has it: all of it to those who may change the
// file, and his own to whoever offered it.
func (p *plugin) offers(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	e := look(c)
	f, err := e.byID(r.Param("id"))
	if err != nil {
		return err
	}
	list, err := offersOf(c, f.id())
	if err != nil {
		return err
	}
	j := w.JSON().Object().Key("offers").Array()
	for _, o := range list {
		if c.Now().Sub(o.at) >= waitsFor {
			o.waiting = nil
		}
		if e.mayChange(f) || o.by != "" && o.by == c.Caller().User {
			o.write(j)
		}
	}
	return nil
}
