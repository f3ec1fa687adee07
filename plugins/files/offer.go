package main

import (
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
)

// offer is what the server told clients of a file, and who has fetched it: a document of
// the collection offers, by the uid of the event. It goes with its file.
type offer struct {
	uid    string
	file   string // its number
	by     string // user; empty: nobody logged in
	name   string // of who offers it, as clients see it
	client string // uid of the client that asked for it, if it was one
	at     time.Time
	set    int32 // that of the file

	callsigns, uids []string // who is to get it; none: all of groups
	groups          []string
	waiting         []string // of those named, who has yet to connect

	received []receipt
	more     int64 // receipts beyond those that are kept
}

// receipt is what a client said of an offer.
type receipt struct {
	uid, callsign, user string
	ok                  bool
	reason              string
	at                  time.Time
}

// Bounds of offers.
const (
	mostOffers   = 10  // of one file, the latest
	mostReceipts = 200 // of one offer, the latest
	mostNames    = 100 // of those to whom it was made that are kept
)

func (o *offer) write(j *sdk.JSON) {
	j.Object().Key("event").Text(o.uid).Key("by").Text(o.by).Key("name").Text(o.name).Key("at").Time(o.at).
		Key("callsigns").Texts(o.callsigns).Key("uids").Texts(o.uids).Key("groups").Texts(o.groups).
		Key("waiting").Texts(o.waiting).Key("received").Array()
	for _, r := range o.received {
		j.Object().Key("uid").Text(r.uid).Key("callsign").Text(r.callsign).Key("user").Text(r.user).
			Key("success").Bool(r.ok).Key("reason").Text(r.reason).Key("at").Time(r.at).End()
	}
	j.End().Key("more").Int(o.more).End()
}

// save writes the document. Of receipts that do not fit into one the oldest go.
func (o *offer) save(c *sdk.Call) error {
	for {
		// The form in which it is shown does for keeping it, with what is not shown.
		var j sdk.JSON
		j.Object().Key("file").Text(o.file).Key("client").Text(o.client).Key("offer")
		o.write(&j)
		j.End()
		if err := j.Err(); err != nil {
			return err
		}
		if n := len(o.received); len(j.Bytes()) > hostapi.MaxDocument && n > 0 {
			o.received, o.more = o.received[(n+1)/2:], o.more+int64((n+1)/2)
			continue
		}
		return c.Collection("offers").For(o.set).Put(o.uid, j.Bytes(), sdk.NewKey("by-file", sdk.Text(o.file), sdk.At(o.at)))
	}
}

func parseOffer(d *sdk.Document) (*offer, error) {
	all, err := sdk.ParseJSON(d.Body)
	if err != nil {
		return nil, err
	}
	in := all.Object("offer")
	o := &offer{
		uid: strings.Clone(d.ID), set: d.Set, file: all.Text("file"), client: all.TextOr("client", ""),
		by: in.TextOr("by", ""), name: in.TextOr("name", ""), at: in.Time("at"),
		callsigns: in.Texts("callsigns"), uids: in.Texts("uids"), groups: in.Texts("groups"), waiting: in.Texts("waiting"), more: in.IntOr("more", 0),
	}
	for _, r := range in.Objects("received") {
		o.received = append(o.received, receipt{
			uid: r.Text("uid"), callsign: r.TextOr("callsign", ""), user: r.TextOr("user", ""),
			ok: r.Bool("success"), reason: r.TextOr("reason", ""), at: r.Time("at"),
		})
	}
	return o, all.Err()
}

// offersOf gives the offers of a file, the latest first.
func offersOf(c *sdk.Call, file string) (list []*offer, err error) {
	for d, err := range c.Collection("offers").By("by-file").Is(sdk.Text(file)).Descending().All() {
		if err != nil {
			return nil, err
		}
		o, err := parseOffer(d)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// makeRoom deletes the oldest offers of a file before one more is made.
func makeRoom(c *sdk.Call, file string) error {
	page, err := c.Collection("offers").By("by-file").Is(sdk.Text(file)).Descending().NoBodies().Page()
	if err != nil {
		return err
	}
	for _, d := range page.Documents[min(len(page.Documents), mostOffers-1):] {
		if _, err := c.Collection("offers").Delete(d.ID); err != nil {
			return err
		}
	}
	return nil
}

// removeOffers deletes those of a file, and says how many there were.
func removeOffers(c *sdk.Call, file string) (n int, err error) {
	page, err := c.Collection("offers").By("by-file").Is(sdk.Text(file)).NoBodies().Page()
	if err != nil {
		return 0, err
	}
	for i := range page.Documents {
		if _, err := c.Collection("offers").Delete(page.Documents[i].ID); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
