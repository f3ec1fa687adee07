package main

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/takhost/takhost/sdk"
)

// text, texts and whole read members of a request's JSON, or nothing.
func text(r *sdk.Request, name string) string { return r.Tree.Root().Child(name).Text() }

func whole(r *sdk.Request, name string) int64 {
	n, _ := r.Tree.Root().Child(name).Int()
	return n
}

func texts(r *sdk.Request, name string) (all []string) {
	for c := range r.Tree.Root().Child(name).Children() {
		all = append(all, c.Text())
	}
	return all
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// tuple reads values such as [{"int": "5"}, {"text": "a"}]: a float is the number of
// its bits, bytes are hexadecimal digits.
func tuple(n sdk.Node) (values []sdk.Value) {
	for each := range n.Children() {
		v := each.At(0)
		switch number, _ := v.Int(); v.Name() {
		case "bool":
			values = append(values, sdk.Bool(v.Text() == "true"))
		case "int":
			values = append(values, sdk.Int(number))
		case "float":
			bits, _ := strconv.ParseUint(v.Text(), 10, 64)
			values = append(values, sdk.Float(math.Float64frombits(bits)))
		case "time":
			values = append(values, sdk.AtMicros(number))
		case "text":
			values = append(values, sdk.Text(v.Text()))
		case "bytes":
			b, _ := hex.DecodeString(v.Text())
			values = append(values, sdk.Bytes(b))
		}
	}
	return values
}

func answer(w *sdk.Response, o *out) error {
	_, err := w.Write(o.b)
	return err
}

// passOn gives an error on with the step in front.
func passOn(step string, err error) error {
	if err == nil {
		return nil
	}
	return sdk.Errorf(sdk.StatusOf(err), "%s: %v", step, err)
}

func put(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	k := c.Collection(text(r, "collection")).For(int32(whole(r, "set")))
	var keys []sdk.Key
	for n := range r.Tree.Root().Child("keys").Children() {
		keys = append(keys, sdk.NewKey(n.Name(), tuple(n)...))
	}
	write := k.Put
	if text(r, "new") == "true" {
		write = k.New
	}
	return passOn("put", write(text(r, "id"), []byte(text(r, "body")), keys...))
}

func get(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	d, ok, err := c.Collection(text(r, "collection")).Find(text(r, "id"))
	switch {
	case err != nil:
		return passOn("get", err)
	case !ok:
		return sdk.NotFoundf("there is no %s", text(r, "id"))
	}
	return answer(w, (&out{}).fields(d.ID, string(d.Body)).number(int64(d.Revision)))
}

func remove(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	existed, err := c.Collection(text(r, "collection")).Delete(text(r, "id"))
	if err != nil {
		return passOn("delete", err)
	}
	return answer(w, (&out{}).fields(strconv.FormatBool(existed)))
}

func queryOf(c *sdk.Call, r *sdk.Request) *sdk.Query {
	q := c.Collection(text(r, "collection")).By(text(r, "index")).Limit(int(whole(r, "limit")))
	root := r.Tree.Root()
	if n := root.Child("from"); n.Exists() {
		q.From(tuple(n)...)
	}
	if n := root.Child("before"); n.Exists() {
		q.Before(tuple(n)...)
	}
	if n := root.Child("is"); n.Exists() {
		q.Is(tuple(n)...)
	}
	if text(r, "descending") == "true" {
		q.Descending()
	}
	return q
}

func query(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	o := &out{}
	for d, err := range queryOf(c, r).All() {
		if err != nil {
			return passOn("query", err)
		}
		o.fields(d.ID, string(d.Body)).hex(d.Key)
	}
	return answer(w, o)
}

func count(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	n, err := queryOf(c, r).Count()
	if err != nil {
		return passOn("query", err)
	}
	return answer(w, (&out{}).number(n))
}

// key stores a document with the key of a tuple.
func key(c *sdk.Call, r *sdk.Request, _ *sdk.Response) error {
	return passOn("put", c.Collection("keys").Put("k", nil, sdk.NewKey("any", tuple(r.Tree.Root())...)))
}

func counter(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	n, err := c.Next(text(r, "name"))
	if err != nil {
		return passOn("counter", err)
	}
	return answer(w, (&out{}).number(n))
}
