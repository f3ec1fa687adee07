// Command reach has no will of its own: a request names an operation of the host
// and brings its message, and reach passes on what the host answers. What else
// comes to it becomes a document: events and timers, if it may.
package main

import (
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

func init() {
	sdk.Register(func() *sdk.Plugin {
		return &sdk.Plugin{
			Name: "reach",
			HTTP: map[string]sdk.Handler{"ask": ask, "start": start},
			Events: func(c *sdk.Call, e sdk.Event) error {
				return c.Collection("docs").Put("event "+e.UID(), []byte(strings.Clone(e.Type())))
			},
			Timers: map[string]func(*sdk.Call, *sdk.Timer) error{
				"*": func(c *sdk.Call, t *sdk.Timer) error {
					return c.Collection("docs").Put("timer "+t.Name, nil)
				},
			},
			Actions: map[string]func(*sdk.Call, *sdk.Action) (sdk.ActionResult, error){"put": put},
		}
	})
}

// put is for other plugins: their bytes become a document, and they get theirs and
// its name back.
func put(c *sdk.Call, a *sdk.Action) (sdk.ActionResult, error) {
	if err := c.Collection("docs").Put("action", a.Body); err != nil {
		return sdk.ActionResult{}, err
	}
	return sdk.ActionResult{Body: append([]byte(c.Name()+" has "), a.Body...)}, nil
}

func main() { sdk.Main() }

// message is any message, as its bytes.
type message []byte

func (m message) Append(b []byte) []byte { return append(b, m...) }

func (m *message) Decode(b []byte) error { *m = b; return nil }

// ask answers with a byte for the status, and then what the host answered, or its
// error. What was staged is committed in any case.
func ask(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	op := r.Params().Int("op")
	if err := r.Err(); err != nil {
		return err
	}
	var answer message
	request := message(r.Body)
	err := c.Ask(hostapi.HostOp(op), &request, &answer)
	w.Write([]byte{byte(sdk.StatusOf(err))})
	if e, ok := err.(*sdk.Error); ok {
		answer = (&wire.Error{Code: e.Code, Message: e.Message, Details: e.Details}).Append(nil)
	}
	w.Write(answer)
	return nil
}

// start answers with what the instance knows of the server: its identity, then a
// line for each URL.
func start(c *sdk.Call, _ *sdk.Request, w *sdk.Response) error {
	s := c.Start()
	_, _ = w.WriteString(s.NodeID)
	for i, u := range s.BaseURLs {
		_, _ = w.WriteString("\n" + s.BaseListeners[i] + " " + u)
	}
	return nil
}
