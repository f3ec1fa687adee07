// Command go-process is a process plugin: it asks the operating system, which no
// WASM plugin can, how full the server's disk is, and says so in the chat when there
// is little left.
package main

import (
	"time"

	"github.com/takhost/takhost/sdk"
)

func init() { sdk.Register(func() *sdk.Plugin { return newPlugin(freeSpace) }) }

func main() { sdk.Main() }

// newPlugin makes the plugin. free says how much of the disk of a folder is free, in
// percent.
func newPlugin(free func(folder string) (percent float64, err error)) *sdk.Plugin {
	w := &watch{free: free}
	return &sdk.Plugin{
		Name:   "diskwatch",
		Init:   w.init,
		Timers: map[string]func(*sdk.Call, *sdk.Timer) error{"look": w.look},
		HTTP:   map[string]sdk.Handler{"disk": w.disk},
	}
}

type watch struct {
	free   func(folder string) (percent float64, err error)
	folder string
	low    float64
}

func (w *watch) init(c *sdk.Call, _ *sdk.Start) error {
	config := c.Config()
	w.folder, w.low = config.Text("folder"), config.Float("low")
	if err := config.Err(); err != nil {
		return err
	}
	_, err := w.measure() // a folder that is not there is better said now
	return err
}

func (w *watch) measure() (float64, error) {
	percent, err := w.free(w.folder)
	if err != nil {
		return 0, sdk.Failedf("look at the disk of %s: %v", w.folder, err)
	}
	return percent, nil
}

// look speaks up when the disk becomes nearly full, and not again until it was better
// for a time: the document and the message are committed together.
func (w *watch) look(c *sdk.Call, _ *sdk.Timer) error {
	percent, err := w.measure()
	if err != nil {
		return err
	}
	c.Gauge("free_percent", percent)
	state := c.Collection("state")
	_, told, err := state.Find("told")
	if err != nil {
		return err
	}
	switch {
	case percent < w.low && !told:
		if err := state.Put("told", nil); err != nil {
			return err
		}
		return say(c, sdk.Format("The server's disk is nearly full: %.1f %% are free.", percent))
	case percent > w.low+1 && told:
		_, err := state.Delete("told")
		return err
	}
	return nil
}

// say writes a line to the room of all.
func say(c *sdk.Call, text string) error {
	const sender, callsign, room = "diskwatch", "Disk watch", "All Chat Rooms"
	id, err := c.NewUID()
	if err != nil {
		return err
	}
	e := c.NewEvent("GeoChat."+sender+"."+room+"."+id, "b-t-f", "h-g-i-g-o", 24*time.Hour).
		Point(0, 0, sdk.Unknown, sdk.Unknown, sdk.Unknown).
		Start("detail").
		Start("__chat").Attr("parent", "RootContactGroup").Attr("groupOwner", "false").Attr("messageId", id).
		Attr("chatroom", room).Attr("id", room).Attr("senderCallsign", callsign).
		Start("chatgrp").Attr("uid0", sender).Attr("uid1", room).Attr("id", room).End().
		End().
		Start("link").Attr("uid", sender).Attr("type", "a-f-G").Attr("relation", "p-p").End().
		Start("remarks").Attr("source", sender).Attr("to", room).AttrTime("time", c.Now()).Text(text).End()
	return c.Emit(e, sdk.ToAll())
}

func (w *watch) disk(_ *sdk.Call, _ *sdk.Request, res *sdk.Response) error {
	percent, err := w.measure()
	if err != nil {
		return err
	}
	res.JSON().Object().Key("folder").Text(w.folder).Key("free_percent").Float(percent).Key("low").Bool(percent < w.low)
	return nil
}
