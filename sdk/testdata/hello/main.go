package main

import "github.com/takhost/takhost/sdk"

func init() { sdk.Register(newPlugin) }

func newPlugin() *sdk.Plugin {
	return &sdk.Plugin{
		Events: func(c *sdk.Call, e sdk.Event) error {
			return c.Collection("seen").Put(e.UID(), nil, sdk.NewKey("by-time", sdk.AtMicros(e.Recv())))
		},
		HTTP: map[string]sdk.Handler{"count": count},
	}
}

func count(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	n, err := c.Collection("seen").Query().Count()
	if err != nil {
		return err
	}
	w.JSON().Object().Key("count").Int(n)
	return nil
}

func main() { sdk.Main() }
