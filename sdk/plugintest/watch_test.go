package plugintest_test

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

// watch is a plugin that uses all that the Kit plays.
type watch struct {
	speed float64
	hook  string
	seen  int // memory of the instance
}

func newWatch() *sdk.Plugin {
	w := &watch{}
	return &sdk.Plugin{
		Name: "watch", Version: "1.4.0",
		Init: w.configure, Reconfigure: w.configure,
		Events: w.event, Filter: w.filter, Clients: w.client,
		HTTP: map[string]sdk.Handler{"list": w.list, "get": w.get, "mine": w.mine, "put": w.put, "sneak": w.sneak},
		Timers: map[string]func(*sdk.Call, *sdk.Timer) error{
			"sweep":    w.sweep,
			"remind.*": w.remind,
		},
		Actions: map[string]func(*sdk.Call, *sdk.Action) (sdk.ActionResult, error){"tracks.count": w.count, "note.add": w.add},
		Snapshot: func(*sdk.Call) ([]sdk.SnapshotEntry, error) {
			return []sdk.SnapshotEntry{{Key: []byte("seen"), Value: []byte{byte(w.seen)}}}, nil
		},
		Restore: func(_ *sdk.Call, s *sdk.Snapshot) error {
			for _, e := range s.Entries {
				w.seen = int(e.Value[0])
			}
			return nil
		},
		Reindex: func(c *sdk.Call, d *sdk.Document) ([]sdk.Key, error) { return noteKeys(d.Body) },
	}
}

func (w *watch) configure(c *sdk.Call, _ *sdk.Start) error {
	cfg := c.Config()
	w.speed, w.hook = cfg.Float("speed"), cfg.TextOr("hook", "")
	return cfg.Err()
}

func (w *watch) event(c *sdk.Call, e sdk.Event) error {
	w.seen++
	switch {
	case e.Matched(1):
		return c.Collection("notes").New(e.UID(), noteBody(e.XML(), 0))
	case e.Callsign() == "BAD":
		return sdk.Invalidf("a bad event")
	case e.Callsign() == "LATER" && c.Attempt() == 0:
		return sdk.Retryf("not now")
	case e.Callsign() == "PANIC":
		panic("no such luck")
	}
	if err := c.Collection("tracks").Put(e.UID(), nil, sdk.NewKey("seen", sdk.AtMicros(e.Recv()))); err != nil {
		return err
	}
	if e.Callsign() == "HALF" {
		return sdk.Failedf("half done")
	}
	if e.Speed() <= w.speed {
		return nil
	}
	n, err := c.Next("alerts")
	if err != nil {
		return err
	}
	alert := c.NewEvent(sdk.Format("%s.%d", e.UID(), n), "b-a-o-tbl", "h-e", time.Minute).
		Point(e.Lat(), e.Lon(), e.Hae(), sdk.Unknown, sdk.Unknown).
		Start("detail").Start("contact").Attr("callsign", e.Callsign()+"-Alert")
	if err := c.Emit(alert, sdk.AsEvent(e)); err != nil {
		return err
	}
	var j sdk.JSON
	j.Object().Key("uid").Text(e.UID()).Key("speed").Float(e.Speed())
	if err := c.Publish(sdk.Update{Stream: "watch", Data: j.Bytes(), Audience: sdk.ToAll()}); err != nil {
		return err
	}
	c.Count("alerts", 1, "kind", "speed")
	if w.hook != "" {
		if _, err := c.Fetch(&sdk.Fetch{Method: "POST", URL: w.hook, Body: []byte(e.UID())}); err != nil {
			return err
		}
	}
	return c.SetTimer("remind."+e.UID(), c.Now().Add(time.Minute), 0, []byte(e.UID()))
}

func (w *watch) filter(c *sdk.Call, e sdk.Event) (sdk.Verdict, error) {
	if _, err := c.Collection("notes").Query().Count(); !sdk.Is(err, sdk.Forbidden) {
		return sdk.Verdict{}, sdk.Failedf("a filter read the store: %v", err)
	}
	if e.Callsign() == "GHOST" {
		return sdk.Drop("ghost"), nil
	}
	return sdk.Pass(), nil
}

func (w *watch) client(c *sdk.Call, ch *sdk.ClientChange) error {
	c.Log().Info("client", "uid", ch.Client.UID, "kind", int(ch.Kind))
	topic := c.Topic("watch.all")
	member := sdk.Member{Client: ch.Client.UID, MayPublish: true}
	if ch.Kind == 2 {
		return topic.Leave(member)
	}
	return topic.Join(member)
}

func noteBody(text string, rank int64) []byte {
	var j sdk.JSON
	return j.Object().Key("text").Text(text).Key("rank").Int(rank).End().Bytes()
}

func noteKeys(body []byte) ([]sdk.Key, error) {
	in, err := sdk.ParseJSON(body)
	if err != nil {
		return nil, err
	}
	text := in.Text("text")
	keys := []sdk.Key{sdk.NewKey("text", sdk.Text(text)), sdk.NewKey("rank", sdk.Int(in.IntOr("rank", 0)), sdk.Text(text))}
	return keys, in.Err()
}

func (w *watch) put(c *sdk.Call, r *sdk.Request, a *sdk.Response) error {
	in := r.Fields()
	body := noteBody(in.Text("text", sdk.AtMost(20)), in.IntOr("rank", 5, sdk.Between(0, 9)))
	if err := r.Err(); err != nil {
		return err
	}
	keys, err := noteKeys(body)
	if err != nil {
		return err
	}
	if err := c.Collection("notes").For(c.Caller().InSet).Put(r.Param("id"), body, keys...); err != nil {
		return err
	}
	a.Status(201).Header("Location", r.Path).JSON().Raw(body)
	return nil
}

func (w *watch) get(c *sdk.Call, r *sdk.Request, a *sdk.Response) error {
	d, err := c.Collection("notes").AsCaller().Get(r.Param("id"))
	if err != nil {
		return err
	}
	a.Document("notes", d.ID)
	return nil
}

func (w *watch) mine(c *sdk.Call, r *sdk.Request, a *sdk.Response) error {
	a.JSON().Object().Key("user").Text(c.Caller().User).Key("admin").Bool(c.HasRole("admin"))
	return nil
}

func (w *watch) list(c *sdk.Call, r *sdk.Request, a *sdk.Response) error {
	q := c.Collection("notes").AsCaller().By("rank").Descending()
	if n := r.Query().IntOr("limit", 0); n > 0 {
		q.Limit(int(n))
	}
	a.JSON().Object().Key("now").Time(c.Now()).Key("notes").Array()
	if err := a.Documents(q, ","); err != nil {
		return err
	}
	a.JSON().End().Key("end").Bool(true)
	return r.Err()
}

// sneak writes in a GET.
func (w *watch) sneak(c *sdk.Call, r *sdk.Request, a *sdk.Response) error {
	return c.Collection("notes").Put("x", nil)
}

func (w *watch) sweep(c *sdk.Call, t *sdk.Timer) error {
	old := c.Collection("tracks").By("seen").Before(sdk.At(c.Now().Add(-time.Minute))).NoBodies()
	for d, err := range old.All() {
		if err != nil {
			return err
		}
		if _, err := c.Collection("tracks").Delete(d.ID); err != nil {
			return err
		}
	}
	return nil
}

func (w *watch) remind(c *sdk.Call, t *sdk.Timer) error {
	c.Log().Warn("still fast", "uid", string(t.Data), "missed", t.Missed)
	return nil
}

func (w *watch) count(c *sdk.Call, a *sdk.Action) (sdk.ActionResult, error) {
	n, err := c.Collection("tracks").Query().Count()
	if err != nil {
		return sdk.ActionResult{}, err
	}
	var j sdk.JSON
	return sdk.ActionResult{Body: j.Object().Key("count").Int(n).Key("memory").Int(int64(w.seen)).Bytes()}, nil
}

func (w *watch) add(c *sdk.Call, a *sdk.Action) (sdk.ActionResult, error) {
	keys, err := noteKeys(a.Body)
	if err != nil {
		return sdk.ActionResult{}, err
	}
	id, err := c.NewUID()
	if err != nil {
		return sdk.ActionResult{}, err
	}
	return sdk.ActionResult{Body: []byte(id)}, c.Collection("notes").New(id, a.Body, keys...)
}
