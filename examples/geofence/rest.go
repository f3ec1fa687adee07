package main

import "github.com/takhost/takhost/sdk"

// most is how many fences REST makes: each position is compared with all.
const most = 200

func (p *plugin) list(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	fences, err := p.fences(c)
	if err != nil {
		return err
	}
	j := w.JSON().Object().Key("fences").Array()
	for i := range fences {
		fences[i].write(j)
	}
	return nil
}

// show answers with the members' documents, which the server puts in while it sends.
func (p *plugin) show(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	fences, err := p.fences(c)
	if err != nil {
		return err
	}
	f := find(fences, r.Param("id"))
	if f == nil {
		return sdk.NotFoundf("there is no fence %q", r.Param("id"))
	}
	j := w.JSON().Object().Key("fence")
	f.write(j)
	j.Key("members").Array()
	return w.Documents(c.Collection("members").AsCaller().Query().Prefix(sdk.Text(f.id+"/")), ",")
}

// put makes or changes a fence. Who is inside of a changed one enters it anew with his
// next position.
func (p *plugin) put(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	f := readFence(r.Param("id"), r.Fields())
	if err := r.Err(); err != nil {
		return err
	}
	there, err := p.stored(c, f.id)
	if err != nil {
		return err
	}
	if !there {
		n, err := c.Collection("fences").Query().Count()
		if err != nil {
			return err
		}
		if n >= most {
			return sdk.Limitf("there are %d fences, and no more are possible", n)
		}
		w.Status(201)
	} else if err := empty(c, f.id); err != nil {
		return err
	}
	var j sdk.JSON
	f.write(&j)
	if err := c.Collection("fences").Put(f.id, j.Bytes()); err != nil {
		return err
	}
	w.JSON().Raw(j.Bytes())
	return nil
}

func (p *plugin) remove(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	id := r.Param("id")
	there, err := p.stored(c, id)
	if err != nil {
		return err
	}
	if !there {
		return sdk.NotFoundf("there is no fence %q", id)
	}
	if _, err := c.Collection("fences").Delete(id); err != nil {
		return err
	}
	w.Status(204)
	return empty(c, id)
}

// stored says whether a fence is one made by REST. Those of the config are not to be
// changed here.
func (p *plugin) stored(c *sdk.Call, id string) (bool, error) {
	if find(p.fixed, id) != nil {
		return false, sdk.Conflictf("fence %q is in the server's config: change it there", id)
	}
	_, there, err := c.Collection("fences").Find(id)
	return there, err
}
