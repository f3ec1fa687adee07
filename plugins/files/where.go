package main

import (
	"iter"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// base is where the caller reaches the server. A request that does not say to whom it
// was sent is answered with where others do.
func (p *plugin) base(c *sdk.Call) string {
	if base := c.Caller().BaseURL; base != "" {
		return base
	}
	url, _ := p.urls(c)
	return url
}

// contentURL is where a file is. CloudTAK reads the hash from its query.
func contentURL(base, hash string) string {
	return strings.TrimSuffix(base, "/") + "/Marti/sync/content?hash=" + hash
}

// urls gives where clients reach the server: those with certificates, and those of
// listen.tcp, which have none.
func (p *plugin) urls(c *sdk.Call) (url, plain string) {
	url, plain = p.url, p.plain
	base, listener := c.Caller().BaseURL, c.Caller().Listener
	if url == "" {
		if url = c.Start().BaseURL("https"); listener == "https" {
			url = base
		}
	}
	if plain == "" {
		if plain = c.Start().BaseURL("http"); listener == "http" {
			plain = base
		}
	}
	for _, other := range []string{c.Start().BaseURL("web"), plain, base} {
		if url == "" {
			url = other
		}
	}
	if plain == "" {
		plain = url
	}
	return url, plain
}

// packageURL is the action package-url: where phones get the data package of a hash, as
// FreeTAKServer writes it into QR codes, or not_found. Phones come without a
// certificate where that is possible.
//
// FreeTAKServer's web interface has the code as a picture, for which browsers send no
// token. So who does not say who he is gets the address of any public package: it tells
// nothing beyond the hash that he asked with, and what is there is given by groups.
func (p *plugin) packageURL(c *sdk.Call, a *sdk.Action) (res sdk.ActionResult, err error) {
	in := sdk.FieldsOf(sdk.Tree(a.Tree).Root()) // by HTTP
	if len(a.Tree) == 0 {                       // from another plugin
		if in, err = sdk.ParseJSON(a.Body); err != nil {
			return res, err
		}
	}
	hash := strings.ToLower(in.Text("hash"))
	if err := in.Err(); err != nil {
		return res, err
	}
	if !isHash(hash) {
		return res, sdk.Invalidf("hash: is no SHA-256 in hexadecimal digits")
	}
	ok, err := hasPackage(c, hash)
	if err != nil {
		return res, err
	}
	if !ok {
		return res, sdk.NotFoundf("there is no data package with that hash")
	}
	var j sdk.JSON
	j.Object().Key("url").Text(p.phones(c) + "/Marti/api/sync/metadata/" + hash + "/tool").End()
	return sdk.ActionResult{Body: j.Bytes()}, j.Err()
}

func hasPackage(c *sdk.Call, hash string) (bool, error) {
	all := alike(c.Collection("files").By("by-hash").Is(sdk.Text(hash)).Descending())
	kinds := []iter.Seq2[*file, error]{all}
	if e := look(c); e.known() {
		kinds = []iter.Seq2[*file, error]{e.seen(e.is("by-hash", hash).Descending()), e.mine("by-hash", hash)}
	}
	for _, some := range kinds {
		for f, err := range some {
			if err != nil {
				return false, err
			}
			if f.isPackage() && !over(c, f) && (c.Caller().User != "" || !f.private()) {
				return true, nil
			}
		}
	}
	return false, nil
}

// phones is where phones reach the server.
func (p *plugin) phones(c *sdk.Call) string {
	url, plain := p.urls(c)
	host := plain[strings.Index(plain, "://")+len("://"):]
	if strings.HasPrefix(host, "localhost") || strings.HasPrefix(host, "127.") || strings.HasPrefix(host, "[::1]") {
		plain = url
	}
	return strings.TrimSuffix(plain, "/")
}
