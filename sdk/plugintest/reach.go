package plugintest

import (
	"slices"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
)

// NodeID is the identity of the server that a Kit plays.
const NodeID = "4d0e3f4c-5f0b-4bb1-9d5c-0c5f4d7a8e21"

// baseURL is where clients reach a listener.
type baseURL struct{ listener, url string }

// listenerOrder is that of the server.
var listenerOrder = [...]string{"https", "web", "rest", "http"}

// BaseURL opens a listener that speaks HTTP (https, web, rest or http), where
// clients reach it. Without it there is rest alone, at http://127.0.0.1:19023.
func BaseURL(listener, url string) Option {
	return func(o *options) { o.urls = withURL(o.urls, listener, url) }
}

// Move has clients reach a listener elsewhere; an empty URL closes it. A plugin
// without Reconfigure gets a new instance, as from the server.
func (k *Kit) Move(listener, url string) error {
	k.t.Helper()
	k.urls = withURL(k.urls, listener, url)
	err := k.init("", hostapi.OpReconfigure)
	if sdk.Is(err, sdk.Unsupported) {
		err = k.renew("")
	}
	return err
}

// withURL gives the list with another URL for a listener.
func withURL(list []baseURL, listener, url string) []baseURL {
	var out []baseURL
	for _, name := range listenerOrder {
		i := slices.IndexFunc(list, func(b baseURL) bool { return b.listener == name })
		switch {
		case name == listener && url != "":
			out = append(out, baseURL{name, url})
		case name != listener && i >= 0:
			out = append(out, list[i])
		}
	}
	return out
}
