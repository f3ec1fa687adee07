package main

import (
	"strconv"
	"unicode"
	"unicode/utf8"

	"strings"

	"github.com/takhost/takhost/sdk"
)

// mostSequences bounds those that one user begins; they stay for ever, since no
// number may come twice. Those who do not log in count as one user.
const mostSequences = 100

// sequence gives the next number of a sequence that all clients share, as the official
// server does: in the text alone, 1 first. Other than there, numbers go on after a
// restart.
func (p *plugin) sequence(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	key := r.Param("key")
	if key == "" || len(key) > maxText || !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl) {
		return sdk.Invalidf("key: write a text of 1 to %d bytes", maxText)
	}
	all := c.Collection("sequences")
	d, ok, err := all.Find(key)
	if err != nil {
		return err
	}
	n, owner := int64(0), c.Caller().User
	if ok {
		in, err := sdk.ParseJSON(d.Body)
		if err != nil {
			return err
		}
		n, owner = in.Int("last"), in.TextOr("user", "")
		if err := in.Err(); err != nil {
			return err
		}
	} else {
		count, err := all.By("by-user").Is(sdk.Text(owner)).Count()
		if err != nil {
			return err
		}
		if count >= mostSequences {
			return sdk.Limitf("you have begun %d sequences, and may begin no more: use one of them", count)
		}
	}
	n++
	var j sdk.JSON
	j.Object().Key("last").Int(n).Key("user").Text(owner).End()
	if err := all.Put(key, j.Bytes(), sdk.NewKey("by-user", sdk.Text(owner))); err != nil {
		return err
	}
	_, err = w.WriteString(strconv.FormatInt(n, 10))
	return err
}
