package main

import (
	"os"

	"github.com/takhost/takhost/sdk"
)

func request(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	who := c.Caller()
	o := &out{}
	o.fields(r.Route, r.Method, r.Path, r.ContentType, r.Param("id"), r.Query().TextOr("q", ""), r.Query().TextOr("none", ""))
	o.fields(r.Header("x-a"), r.Form().TextOr("f", ""), string(r.Body), who.User, who.Name).fields(who.Roles...)
	o.number(int64(who.InSet)).number(int64(who.OutSet)).fields(who.Client).fields(who.Via...)
	o.dump(r.Tree.Root())
	_, _ = w.Write(o.b)
	return nil
}

func response(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	w.Status(207).ContentType("text/x").Header("x-a", "b").Header("x-ä", "")
	_, _ = w.WriteString("[")
	if err := w.Documents(c.Collection("seen").By("by-kinds").Is(sdk.Text("a")), ","); err != nil {
		return err
	}
	w.Document("seen", "x")
	_, _ = w.WriteString("]")
	return nil
}

func config(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	n := c.Config().Node()
	return answer(w, (&out{}).fields(n.Child("unit").Text(), n.Child("radius").Text()))
}

func clock(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	return answer(w, (&out{}).number(c.Now().UnixMicro()))
}

func random(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	b, err := c.Random(int(whole(r, "n")))
	if err != nil {
		return passOn("random", err)
	}
	return answer(w, (&out{}).hex(b))
}

func log(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	m := text(r, "message")
	c.Log().Debug(m, "as", "debug")
	c.Log().Info(m, "as", "info")
	c.Log().Warn(m, "as", "warn")
	c.Log().Error(m, "as", "error")
	return nil
}

func emit(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	n, as := whole(r, "event"), sdk.ToGroups(texts(r, "groups")...)
	as.All, as.UIDs, as.Callsigns, as.Topic = text(r, "all") == "true", texts(r, "uids"), texts(r, "callsigns"), text(r, "topic")
	as.AsEvent, as.Set, as.Except = n, int32(whole(r, "set")), texts(r, "except")
	err := c.EmitAll(sdk.Emission{XML: text(r, "xml"), Audience: as, Fleeting: text(r, "fleeting") == "true"})
	return passOn("emit", err)
}

func setTimer(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	err := c.SetTimer(text(r, "name"), sdk.TimeOf(whole(r, "at")), micros(whole(r, "every")), []byte(text(r, "data")))
	return passOn("timer", err)
}

func cancelTimer(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	return passOn("timer", c.CancelTimer(text(r, "name")))
}

func clients(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	found, err := c.Clients(sdk.ClientQuery{Callsigns: texts(r, "callsigns")})
	o := &out{}
	for _, f := range found {
		o.fields(f.UID, f.Callsign, f.Team).number(int64(f.OutSet)).number(int64(f.Lat * 1000))
	}
	if err != nil {
		return passOn("clients", err)
	}
	return answer(w, o)
}

func identity(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	var is sdk.Identity
	var err error
	switch {
	case text(r, "user") != "":
		is, err = c.User(text(r, "user"))
	case whole(r, "set") != 0:
		is.Groups, err = c.GroupsOf(int32(whole(r, "set")))
	default:
		is, err = c.Certificate(text(r, "serial"))
	}
	if err != nil {
		return passOn("identity", err)
	}
	o := (&out{}).fields(is.User, is.Name).fields(is.Roles...).number(int64(is.InSet)).number(int64(is.OutSet)).fields(is.Groups...).hex(is.Certificate)
	if is.Revoked {
		return answer(w, o.fields("revoked"))
	}
	return answer(w, o)
}

func call(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	b, err := c.CallAction(text(r, "name"), int(whole(r, "version")), []byte(text(r, "body")))
	if err != nil {
		return passOn("call", err)
	}
	return answer(w, (&out{}).fields(string(b)))
}

func fail(_ *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	return &sdk.Error{Status: sdk.Status(whole(r, "status")), Code: text(r, "code"), Message: text(r, "message")}
}

func large(_ *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	return answer(w, &out{letters(whole(r, "n"))})
}

func letters(n int64) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return b
}

// sum measures the body of a document, or of the request.
func sum(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	b := r.Body
	if id := text(r, "id"); id != "" {
		d, err := c.Collection(text(r, "collection")).Get(id)
		if err != nil {
			return passOn("get", err)
		}
		b = d.Body
	}
	n := int64(0)
	for _, v := range b {
		n += int64(v)
	}
	return answer(w, (&out{}).number(int64(len(b))).number(n))
}

func panics(*sdk.Call, *sdk.Request, *sdk.Response) error { panic("an author's mistake") }

func exit(*sdk.Call, *sdk.Request, *sdk.Response) error { os.Exit(3); return nil }

// spin is what the deadline has to end.
func spin(*sdk.Call, *sdk.Request, *sdk.Response) error {
	for n := 1; n != 0; n |= 1 {
	}
	return nil
}
