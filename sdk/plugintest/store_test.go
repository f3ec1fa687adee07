package plugintest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

// inside runs functions as calls of a plugin.
type inside struct {
	*plugintest.Kit
	do func(c *sdk.Call) error
}

func startInside(t *testing.T, opts ...plugintest.Option) *inside {
	t.Helper()
	in := &inside{}
	run := func(c *sdk.Call, _ *sdk.Action) (sdk.ActionResult, error) { return sdk.ActionResult{}, in.do(c) }
	in.Kit = plugintest.Start(t, "testdata/plugin.json", append(opts, plugintest.Plugin(func() *sdk.Plugin {
		return &sdk.Plugin{Actions: map[string]func(*sdk.Call, *sdk.Action) (sdk.ActionResult, error){"note.add": run, "tracks.count": run}}
	}))...)
	return in
}

// call may write, as an action that the manifest marks so.
func (in *inside) call(do func(c *sdk.Call) error) error {
	in.do = do
	_, err := in.Action("note.add", nil, nil)
	return err
}

func fill(c *sdk.Call) error {
	notes := c.Collection("notes")
	for i, n := range []struct {
		id   string
		rank int64
		text string
	}{{"a", 1, "apple"}, {"b", 1, "apricot"}, {"ba", 1, "banana"}, {"c", 2, "apple"}, {"d", -5, "x\x00y"}} {
		if err := notes.New(n.id, []byte{byte('0' + i)}, sdk.NewKey("rank", sdk.Int(n.rank), sdk.Text(n.text))); err != nil {
			return err
		}
	}
	return notes.New("e", nil) // no index finds it
}

func TestQueries(t *testing.T) {
	in := startInside(t)
	if err := in.call(fill); err != nil {
		t.Fatal(err)
	}
	one := sdk.Int(1)
	tests := []struct {
		name  string
		query func(k sdk.Collection) *sdk.Query
		want  string
	}{
		{"by id", func(k sdk.Collection) *sdk.Query { return k.Query() }, "a b ba c d e"},
		{"by id, from", func(k sdk.Collection) *sdk.Query { return k.Query().From(sdk.Text("b")).Before(sdk.Text("d")) }, "b ba c"},
		{"by id, through", func(k sdk.Collection) *sdk.Query { return k.Query().Through(sdk.Text("b")) }, "a b"},
		{"by id, prefix", func(k sdk.Collection) *sdk.Query { return k.Query().Prefix(sdk.Text("b")) }, "b ba"},
		{"by index", func(k sdk.Collection) *sdk.Query { return k.By("rank") }, "d a b ba c"},
		{"descending", func(k sdk.Collection) *sdk.Query { return k.By("rank").Descending() }, "c ba b a d"},
		{"is", func(k sdk.Collection) *sdk.Query { return k.By("rank").Is(one) }, "a b ba"},
		{"is, whole", func(k sdk.Collection) *sdk.Query { return k.By("rank").Is(one, sdk.Text("apple")) }, "a"},
		{"from", func(k sdk.Collection) *sdk.Query { return k.By("rank").From(one, sdk.Text("b")) }, "ba c"},
		{"before", func(k sdk.Collection) *sdk.Query { return k.By("rank").Before(one) }, "d"},
		{"through", func(k sdk.Collection) *sdk.Query { return k.By("rank").Through(one) }, "d a b ba"},
		{"prefix", func(k sdk.Collection) *sdk.Query { return k.By("rank").Prefix(one, sdk.Text("ap")) }, "a b"},
		{"limited pages", func(k sdk.Collection) *sdk.Query { return k.By("rank").Limit(2) }, "d a b ba c"},
		{"limited pages, descending", func(k sdk.Collection) *sdk.Query { return k.Query().Descending().Limit(1) }, "e d c ba b a"},
		{"nothing", func(k sdk.Collection) *sdk.Query { return k.By("rank").Is(sdk.Int(9)) }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			var count int64
			var first string
			err := in.call(func(c *sdk.Call) (err error) {
				q := tt.query(c.Collection("notes"))
				for d, err := range q.All() {
					if err != nil {
						return err
					}
					got = append(got, d.ID)
				}
				d, _, err := q.First()
				if err != nil {
					return err
				}
				first = strings.Clone(d.ID)
				count, err = q.Count()
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Fields(tt.want)
			if fmt.Sprint(got) != fmt.Sprint(want) || count != int64(len(want)) || len(want) > 0 && first != want[0] {
				t.Errorf("got %v, %d, first %s, want %v", got, count, first, want)
			}
		})
	}
}

func TestStoreRefuses(t *testing.T) {
	large := make([]byte, hostapi.MaxDocument+1)
	tests := []struct {
		name string
		do   func(c *sdk.Call) error
		want sdk.Status
	}{
		{"no collection", func(c *sdk.Call) error { return c.Collection("x").Put("a", nil) }, sdk.Invalid},
		{"no index", func(c *sdk.Call) error { return c.Collection("notes").Put("a", nil, sdk.NewKey("x", sdk.Int(1))) }, sdk.Invalid},
		{"another kind", func(c *sdk.Call) error { return c.Collection("notes").Put("a", nil, sdk.NewKey("text", sdk.Int(1))) }, sdk.Invalid},
		{"too few values", func(c *sdk.Call) error { return c.Collection("notes").Put("a", nil, sdk.NewKey("rank", sdk.Int(1))) }, sdk.Invalid},
		{"five values", func(c *sdk.Call) error {
			return c.Collection("notes").Put("a", nil, sdk.NewKey("rank", sdk.Int(1), sdk.Int(1), sdk.Int(1), sdk.Int(1), sdk.Int(1)))
		}, sdk.Invalid},
		{"no id", func(c *sdk.Call) error { return c.Collection("notes").Put("", nil) }, sdk.Invalid},
		{"long id", func(c *sdk.Call) error { return c.Collection("notes").Put(string(large[:600]), nil) }, sdk.Limit},
		{"large", func(c *sdk.Call) error { return c.Collection("notes").Put("a", large) }, sdk.Limit},
		{"over the quota", func(c *sdk.Call) error {
			for i := range 5 {
				if err := c.Collection("notes").Put(fmt.Sprint(i), large[1:]); err != nil {
					return err
				}
			}
			return nil
		}, sdk.Limit},
		{"there already", func(c *sdk.Call) error {
			if err := c.Collection("notes").New("a", nil); err != nil {
				return err
			}
			return c.Collection("notes").New("a", nil)
		}, sdk.Conflict},
		{"unique, of the same call", func(c *sdk.Call) error {
			if err := c.Collection("notes").Put("a", nil, sdk.NewKey("text", sdk.Text("x"))); err != nil {
				return err
			}
			return c.Collection("notes").Put("b", nil, sdk.NewKey("text", sdk.Text("x")))
		}, sdk.Conflict},
		{"query of no index", func(c *sdk.Call) error { _, err := c.Collection("notes").By("x").Page(); return err }, sdk.Invalid},
		{"query of an id by a number", func(c *sdk.Call) error {
			_, err := c.Collection("notes").Query().From(sdk.Int(1)).Page()
			return err
		}, sdk.Invalid},
		{"foreign cursor", func(c *sdk.Call) error { _, err := c.Collection("notes").Query().After("zz").Page(); return err }, sdk.Invalid},
		{"page too large", func(c *sdk.Call) error { _, err := c.Collection("notes").Query().Limit(1001).Page(); return err }, sdk.Limit},
		{"too many operations", func(c *sdk.Call) error {
			for {
				if _, _, err := c.Collection("notes").Find("a"); err != nil {
					return err
				}
			}
		}, sdk.Limit},
		{"topic of others", func(c *sdk.Call) error { return c.Topic("x").Drop() }, sdk.Forbidden},
		{"no topic", func(c *sdk.Call) error { _, err := c.Topic("watch.x").Members(); return err }, sdk.NotFound},
		{"no audience", func(c *sdk.Call) error { return c.Publish(sdk.Update{Stream: "watch", Data: []byte("1")}) }, sdk.Invalid},
		{"update that is no JSON", func(c *sdk.Call) error {
			return c.Publish(sdk.Update{Stream: "watch", Data: []byte("x"), Audience: sdk.ToAll()})
		}, sdk.Invalid},
		{"no event", func(c *sdk.Call) error { return c.EmitXML("<x/>", sdk.ToAll()) }, sdk.Invalid},
		{"event with a bad name", func(c *sdk.Call) error {
			return c.Emit(c.NewEvent("a", "b-a-o", "h-e", time.Minute).Start("a b"), sdk.ToAll())
		}, sdk.Invalid},
		{"timer without a time", func(c *sdk.Call) error { return c.SetTimer("x", time.Time{}, 0, nil) }, sdk.Invalid},
		{"timer of the manifest", func(c *sdk.Call) error { return c.SetTimer("sweep", c.Now(), 0, nil) }, sdk.Conflict},
		{"action of others", func(c *sdk.Call) error { _, err := c.CallAction("other.x", 1, nil); return err }, sdk.Forbidden},
		{"no action", func(c *sdk.Call) error { _, err := c.CallAction("mission.x", 1, nil); return err }, sdk.NotFound},
		{"files", func(c *sdk.Call) error { return c.Ask(hostapi.HostBlobPut, nil, nil) }, sdk.Forbidden},
		{"no operation", func(c *sdk.Call) error { return c.Ask(0xff, nil, nil) }, sdk.Unsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := startInside(t)
			if err := in.call(tt.do); sdk.StatusOf(err) != tt.want {
				t.Errorf("got %v (%v), want %v", sdk.StatusOf(err), err, tt.want)
			}
			if n := len(in.Documents("notes")); n != 0 {
				t.Errorf("%d documents of a call that failed", n)
			}
		})
	}
}

// An action that the manifest does not mark writes stages nothing.
func TestActionReads(t *testing.T) {
	in := startInside(t)
	in.do = func(c *sdk.Call) error { return c.Collection("notes").Put("a", nil) }
	if _, err := in.Action("tracks.count", nil, nil); !sdk.Is(err, sdk.Forbidden) {
		t.Errorf("got %v, want forbidden", err)
	}
}

// A call that is over answers nothing, whoever kept it.
func TestKeptCall(t *testing.T) {
	in := startInside(t)
	var kept *sdk.Call
	if err := in.call(func(c *sdk.Call) error { kept = c; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := kept.Collection("notes").Put("a", nil); !sdk.Is(err, sdk.Failed) || !strings.Contains(err.Error(), "must not be kept") {
		t.Errorf("got %v", err)
	}
}

// Many and large answers of one call stay as they are until it returns.
func TestAnswersStay(t *testing.T) {
	in := startInside(t)
	body := func(i int) []byte { return []byte(strings.Repeat(string(rune('a'+i)), 1+i*1000)) }
	err := in.call(func(c *sdk.Call) error {
		for i := range 20 {
			if err := c.Collection("notes").Put(fmt.Sprint(i), body(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = in.call(func(c *sdk.Call) error {
		var docs []sdk.Document
		for round := range 40 {
			d, err := c.Collection("notes").Get(fmt.Sprint(round % 20))
			if err != nil {
				return err
			}
			docs = append(docs, d)
		}
		for i, d := range docs {
			if !cmp.Equal(d.Body, body(i%20)) {
				t.Errorf("document %d changed", i)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestArchive(t *testing.T) {
	in := startInside(t)
	for i := range 5 {
		in.Archive(position(fmt.Sprint("U", i%2), "A", float64(i)))
		in.Advance(time.Second)
	}
	in.Archive(marker("M", 5)) // not granted
	tests := []struct {
		name  string
		query sdk.EventQuery
		want  string
	}{
		{"all, newest first", sdk.EventQuery{}, "4 3 2 1 0"},
		{"oldest first, in pages", sdk.EventQuery{OldestFirst: true, Limit: 2}, "0 1 2 3 4"},
		{"in pages", sdk.EventQuery{Limit: 2}, "4 3 2 1 0"},
		{"of a uid", sdk.EventQuery{UIDs: []string{"U1"}}, "3 1"},
		{"latest", sdk.EventQuery{Latest: true}, "4 3"},
		{"another type", sdk.EventQuery{Types: []string{"b-*"}}, ""},
		{"in a box", sdk.EventQuery{Box: &sdk.Area{South: 0, West: 0, North: 1, East: 1}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := []string{}
			err := in.call(func(c *sdk.Call) error {
				for e, err := range c.AllEvents(tt.query) {
					if err != nil {
						return err
					}
					got = append(got, fmt.Sprint(e.Speed()))
				}
				return nil
			})
			if err != nil || fmt.Sprint(got) != fmt.Sprint(strings.Fields(tt.want)) {
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			}
		})
	}
}
