// Command conform is the conformance guest in Go, as a WASM module and as a process.
// The guests in the other folders do the same; package conformance has the cases.
package main

import (
	"math"

	"github.com/takhost/takhost/sdk"
)

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }

// guest is what one instance remembers.
type guest struct {
	handled int64
	sick    bool
}

func newPlugin() *sdk.Plugin {
	g := &guest{}
	return &sdk.Plugin{
		Name: "conform", Version: "1.0.0",
		Init: func(c *sdk.Call, s *sdk.Start) error {
			*g = guest{}
			return configure(c, s)
		},
		Reconfigure: configure,
		Health: func(*sdk.Call) error {
			if g.sick {
				return sdk.Retryf("sick since the request")
			}
			return nil
		},
		Events:  g.event,
		Filter:  filter,
		Clients: clientChanged,
		HTTP: map[string]sdk.Handler{
			"request": request, "response": response, "config": config, "clock": clock, "random": random, "log": log,
			"put": put, "get": get, "delete": remove, "query": query, "count": count, "key": key, "counter": counter,
			"emit": emit, "timer.set": setTimer, "timer.cancel": cancelTimer, "clients": clients, "identity": identity, "call": call,
			"blob.put": putFile, "blob.read": readFile, "blob.stat": statFile, "blob.keep": keepFile, "blob.release": releaseFile,
			"blob.kept": keptFiles, "zip.list": listZip, "zip.entry": unzip, "pack": packFiles, "upload": upload, "download": download,
			"fail": fail, "large": large, "sum": sum, "panic": panics, "spin": spin, "exit": exit,
			"sick": func(*sdk.Call, *sdk.Request, *sdk.Response) error { g.sick = true; return nil },
		},
		Timers:   map[string]func(*sdk.Call, *sdk.Timer) error{"tick": tick},
		Actions:  map[string]func(*sdk.Call, *sdk.Action) (sdk.ActionResult, error){"add": add},
		Snapshot: g.snapshot,
		Restore:  g.restore,
		Reindex:  reindex,
	}
}

func configure(c *sdk.Call, s *sdk.Start) error {
	section := c.Config().Node()
	if why := section.Child("refuse"); why.Exists() {
		return &sdk.Error{Status: sdk.Invalid, Code: "config", Message: "config.refuse: " + why.Text()}
	}
	o := &out{}
	o.fields(s.Name, s.Version, section.Child("unit").Text(), section.Child("radius").Text())
	o.number(int64(section.Child("list").NumChildren())).number(int64(s.Role)).number(int64(s.Node)).fields(s.FromVersion)
	for _, g := range s.Grants {
		o.fields(g.Capability)
		o.fields(g.Types...)
	}
	o.fields(s.BaseURLs...).fields(s.BaseListeners...).fields(s.NodeID)
	return c.Collection("state").Put("config", o.b)
}

func (g *guest) event(c *sdk.Call, e sdk.Event) error {
	g.handled++
	switch e.Type() {
	case "x-refuse":
		return sdk.Invalidf("not this one")
	case "x-retry":
		return sdk.Retryf("not now")
	}
	if err := c.Collection("seen").For(int32(e.Groups())).Put(e.UID(), facts(c, e)); err != nil {
		return err
	}
	if e.Type() == "x-late" {
		return sdk.Retryf("after an effect")
	}
	return nil
}

// facts are all that a view has.
func facts(c *sdk.Call, e sdk.Event) []byte {
	o := &out{}
	o.number(int64(c.Attempt())).number(int64(c.Missed())).number(int64(c.Delivery()))
	o.number(int64(e.ID())).number(e.Recv()).number(e.Time()).number(e.Start()).number(e.Stale())
	for _, v := range []float64{e.Lat(), e.Lon(), e.Hae(), e.CE(), e.LE(), e.Speed(), e.Course()} {
		o.unsigned(math.Float64bits(v))
	}
	matched := uint64(0)
	for i := range 32 {
		if e.Matched(i) {
			matched |= 1 << i
		}
	}
	o.unsigned(e.Conn()).number(int64(e.Groups())).number(int64(e.Flags())).number(int64(e.Node()))
	o.number(int64(e.Origin())).number(int64(e.Hops())).unsigned(matched)
	o.fields(e.UID(), e.Type(), e.How(), e.Callsign(), e.Endpoint(), e.Team(), e.Role(), e.User(), e.Client())
	for i := range e.NumDests() {
		d := e.Dest(i)
		o.number(int64(d.Kind)).fields(d.Value)
	}
	o.dump(e.Detail().Root())
	o.fields("", e.Detail().Root().Child("remarks").Raw(), e.XML())
	return o.b
}

func filter(_ *sdk.Call, e sdk.Event) (sdk.Verdict, error) {
	switch e.Type() {
	case "x-drop":
		return sdk.Drop("dropped"), nil
	case "x-replace":
		return sdk.Replace("<event/>", "changed"), nil
	case "x-refuse":
		return sdk.Verdict{}, sdk.Failedf("not this one")
	}
	return sdk.Pass(), nil
}

func clientChanged(c *sdk.Call, change *sdk.ClientChange) error {
	o := &out{}
	o.number(int64(change.Kind)).number(change.At).fields(change.Client.Callsign).number(int64(change.Client.OutSet))
	return c.Collection("clients").Put(change.Client.UID, o.b)
}

func tick(c *sdk.Call, t *sdk.Timer) error {
	o := &out{}
	o.number(t.Due).number(int64(t.Missed)).fields(string(t.Data))
	return c.Collection("ticks").Put(t.Name, o.b)
}

// add gives the sum of the numbers of its body's bytes, and who asks.
func add(c *sdk.Call, a *sdk.Action) (sdk.ActionResult, error) {
	n := int64(0)
	for _, b := range a.Body {
		n += int64(b)
	}
	o := &out{}
	o.number(n).number(int64(a.Version)).fields(c.Caller().User).fields(c.Caller().Via...)
	return sdk.ActionResult{Body: o.b}, nil
}

func (g *guest) snapshot(*sdk.Call) ([]sdk.SnapshotEntry, error) {
	o := &out{}
	o.number(g.handled)
	return []sdk.SnapshotEntry{{Key: []byte("handled"), Value: o.b}, {Key: []byte{0, 0xff}, Value: []byte("\x00\x01")}}, nil
}

func (g *guest) restore(c *sdk.Call, s *sdk.Snapshot) error {
	o := &out{}
	o.fields(s.Version)
	for _, e := range s.Entries {
		if string(e.Key) == "handled" {
			g.handled = 0
			for _, d := range e.Value {
				if '0' <= d && d <= '9' {
					g.handled = g.handled*10 + int64(d-'0')
				}
			}
		}
		o.hex(e.Key).hex(e.Value)
	}
	return c.Collection("state").Put("restored", o.b)
}

func reindex(_ *sdk.Call, d *sdk.Document) ([]sdk.Key, error) {
	return []sdk.Key{sdk.NewKey("by-id", sdk.Text(d.ID)), sdk.NewKey("by-size", sdk.Int(int64(len(d.Body))))}, nil
}
