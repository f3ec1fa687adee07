// Command rogue does what no plugin should: it crashes, never ends, takes all it
// can get. An event says what, in its detail: <rogue does="loop"/>; so does a
// request. What it was given beside that becomes a document each, so that what it
// did in between can be counted.
package main

import (
	"os"
	"strings"
	"time"

	"github.com/takhost/takhost/sdk"
)

func init() {
	sdk.Register(func() *sdk.Plugin {
		return &sdk.Plugin{
			Name: "rogue",
			Init: func(c *sdk.Call, _ *sdk.Start) error {
				in := c.Config()
				does := in.Text("does")
				if err := in.Err(); err != nil {
					return err
				}
				return act(c, does)
			},
			Events: event,
			HTTP:   map[string]sdk.Handler{"act": request, "done": done},
		}
	})
}

func main() { sdk.Main() }

func event(c *sdk.Call, e sdk.Event) error {
	does, _ := e.Detail().Root().Child("rogue").Attr("does")
	if err := c.Collection("done").Put(strings.Clone(e.UID()), []byte(does)); err != nil {
		return err
	}
	return act(c, strings.Clone(does))
}

func request(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	does := r.Query().Text("does")
	if err := r.Err(); err != nil {
		return err
	}
	w.JSON().Object().Key("did").Text(does)
	return act(c, does)
}

// done lists what was done, by the ids of documents.
func done(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	n, err := c.Collection("done").Query().Count()
	if err != nil {
		return err
	}
	w.JSON().Object().Key("done").Int(n)
	return nil
}

// Floods are so many turns: more than the host takes of one call, or in a second.
const flood = 400

func act(c *sdk.Call, does string) error {
	switch does {
	case "", "nothing":
	case "refuse":
		return sdk.Failedf("not with me")
	case "panic":
		panic("an author's mistake")
	case "trap":
		ended := make(chan bool)
		go func() {
			defer close(ended)
			panic("a mistake that nothing recovers")
		}()
		<-ended
	case "exit":
		os.Exit(3)
	case "loop":
		for turns := 0; ; turns++ {
			keep(turns)
		}
	case "allocate":
		for {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 1 << 10 {
				b[i] = 1
			}
			kept = append(kept, b)
		}
	case "recurse":
		keep(recurse(1))
	case "sleep":
		time.Sleep(time.Minute)
	case "emit":
		for range flood {
			// What the host refuses is what is tested.
			_ = c.Emit(c.NewEvent("FLOOD", "b-x-flood", "m-g", time.Minute).Point(1, 2, 3, 4, 5), sdk.ToAll())
		}
	case "log":
		line := strings.Repeat("flood of lines ", 500)
		for range flood {
			c.Log().Warn(line)
		}
	case "print":
		line := strings.Repeat("flood of output ", 60) + "\n"
		for range flood {
			os.Stdout.WriteString(line)
		}
	case "ask":
		for range flood {
			c.Collection("done").Find("nothing")
		}
	default:
		return sdk.Invalidf("nobody knows how to %s", does)
	}
	return nil
}

var kept [][]byte

// keep uses a value, so that the loop around it stays.
//
//go:noinline
func keep(int) {}

//go:noinline
func recurse(n int) int {
	if n < 0 { // never; a compiler that saw no way out would complain
		return n
	}
	var room [1024]byte
	room[n%1024] = byte(n)
	return recurse(n+int(room[3])+1) + 1
}
