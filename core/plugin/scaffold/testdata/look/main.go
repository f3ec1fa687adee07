// Command look is a plugin for the benchmarks: it looks at events, keeps one document of
// them, or writes a document of each.
package main

import "github.com/takhost/takhost/sdk"

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }

func newPlugin() *sdk.Plugin {
	fast := 0
	return &sdk.Plugin{Events: func(c *sdk.Call, e sdk.Event) error {
		if e.Speed() > 10 && e.Callsign() != "" {
			fast++
		}
		if e.Type() != "b-m-p-s" {
			return nil
		}
		var j sdk.JSON
		j.Object().Key("uid").Text(e.UID()).Key("lat").Float(e.Lat()).Key("lon").Float(e.Lon()).Key("at").Micros(e.Time()).End()
		return c.Collection("seen").Put(e.UID(), j.Bytes(), sdk.NewKey("by-time", sdk.AtMicros(e.Recv())))
	}}
}
