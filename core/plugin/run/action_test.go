package run

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// town is several plugins that call one another: "b" in an event of plugin a is
// an action of b, whose body is what b calls in turn.
type town struct {
	*testing.T
	db     *fakeDB
	waits  *Waits
	actors map[string]*Actor
	beds   map[string]*bed
}

func newTown(t *testing.T, names string, s func(name string) script) *town {
	w := &town{T: t, db: newDB(), waits: &Waits{}, actors: map[string]*Actor{}, beds: map[string]*bed{}}
	for _, name := range strings.Split(names, "") {
		b := newBed(t)
		b.db, b.waits = w.db, w.waits
		v, _ := b.version(s(name), func(m *manifest.Manifest) { m.Limits.EventsTime = manifest.Duration(5 * time.Second) })
		b.calls[0].act = w.act
		w.actors[name], w.beds[name] = b.start(v), b
	}
	return w
}

func (w *town) act(ctx context.Context, parent *fakeCall, name string) (string, hostapi.Status) {
	plugin, rest, _ := strings.Cut(name, ".")
	a := w.actors[plugin]
	from, _ := parent.o.Lane.(*lane)
	r, err := a.act(ctx, from, &wire.Action{Name: rest}, func(*Version) Call {
		return parent.child(call.Options{Op: hostapi.OpAction, Lane: a.lane})
	})
	if err != nil {
		e := call.StatusOf(err)
		return e.Message, e.Status
	}
	return string(r.Body), hostapi.OK
}

func (w *town) stop() {
	for _, b := range w.beds {
		b.stop()
	}
}

// neighbour adds one to its document, then calls what the event or the action
// names, and answers by its own name and what it got.
func neighbour(name string) script {
	return func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		next := ""
		switch op {
		case hostapi.OpEvents:
			for _, v := range hostapi.Batch(in).All() {
				next = strings.Clone(v.UID())
			}
		case hostapi.OpAction:
			var a wire.Action
			if err := a.Decode(in); err != nil {
				return nil, hostapi.Invalid
			}
			next = a.Name
		default:
			return nil, hostapi.Unsupported
		}
		if name != "" {
			g.add(name)
		}
		answer := name
		switch next {
		case "":
		case "trap":
			g.trap("")
		case "fail":
			return (&wire.Error{Message: "will not"}).Append(nil), hostapi.Failed
		default:
			got, s := g.op(hostapi.HostCall, next)
			if s != hostapi.OK {
				return (&wire.Error{Message: name + ": " + got}).Append(nil), s
			}
			answer += got
		}
		if op == hostapi.OpEvents {
			g.op(hostapi.HostEmit, answer)
			return nil, hostapi.OK
		}
		return (&wire.ActionResult{Body: []byte(answer)}).Append(nil), hostapi.OK
	}
}

func TestActionChain(t *testing.T) {
	w := newTown(t, "abc", neighbour)
	w.beds["a"].offer("b.c.")
	w.beds["a"].drained()
	r, err := w.actors["a"].Act(t.Context(), &wire.Action{Name: "c."}, false)
	if err != nil || string(r.Body) != "ac" {
		t.Errorf("from outside: got %v %v, want ac", r, err)
	}
	w.stop()
	if diff := cmp.Diff([]string{"abc"}, w.db.sent()); diff != "" {
		t.Errorf("emitted (-want +got):\n%s", diff)
	}
	got := fmt.Sprint(w.db.doc("a"), w.db.doc("b"), w.db.doc("c"))
	if got != "212" && got != "2 1 2" {
		t.Errorf("the documents are %q, want 2, 1, 2", got)
	}
}

// What an action fails on fails the whole call, and nothing of it stays.
func TestActionFails(t *testing.T) {
	for _, tt := range []struct{ what, want string }{
		{"b.fail", "failed: a: will not"},
		{"b.trap", "failed: a: the plugin crashed"},
		{"b.c.trap", "failed: a: b: the plugin crashed"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			w := newTown(t, "abc", neighbour)
			w.beds["a"].offer(tt.what)
			d := w.beds["a"].letter()
			w.stop()
			if d.Error != tt.want || w.db.doc("a")+w.db.doc("b")+w.db.doc("c") != "" {
				t.Errorf("got %q and the documents %v, want %q and none", d.Error, w.db.docs, tt.want)
			}
			if c := w.actors["a"].Counts(); c.Crashes != 0 {
				t.Errorf("the caller crashed %d times", c.Crashes)
			}
		})
	}
}

// Plugins that call one another at the same time do not wait until a deadline
// kills one.
func TestPluginsThatCallOneAnother(t *testing.T) {
	w := newTown(t, "abc", func(name string) script {
		return func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			return neighbour("")(g, op, in) // without documents, over which they would quarrel
		}
	})
	const rounds = 200
	began := time.Now()
	var wg sync.WaitGroup
	for _, pair := range []string{"ab.", "bc.", "ca.", "ab.c.", "ba."} {
		wg.Go(func() {
			for range rounds {
				w.beds[pair[:1]].offer(pair[1:])
			}
		})
	}
	wg.Wait()
	for _, b := range w.beds {
		b.drained()
	}
	took := time.Since(began)
	conflicts := uint64(0)
	for _, a := range w.actors {
		c := a.Counts()
		conflicts += c.Conflicts
		if c.Crashes != 0 || c.DeadLetters != 0 {
			for _, d := range w.db.dead() {
				t.Log(d.Error)
			}
			t.Errorf("got %d crashes and %d dead letters, want none", c.Crashes, c.DeadLetters)
		}
	}
	w.stop()
	if len(w.db.sent()) == 0 || took > 20*time.Second {
		t.Errorf("%d calls in %v", len(w.db.sent()), took)
	}
	t.Logf("%d calls, %d repeated, in %v", len(w.db.sent()), conflicts, took)
}

// The caller's deadline bounds what it asks for, and leaves it some time to deal
// with an action that does not end. The other plugin is made anew.
func TestActionPastTheCallersDeadline(t *testing.T) {
	tests := []struct {
		name    string
		left    time.Duration
		busy    bool // with another call
		want    hostapi.Status
		took    time.Duration
		crashes uint64
	}{
		{"endless", 4 * time.Second, false, hostapi.Failed, 3600 * time.Millisecond, 1},
		{"little time left", 100 * time.Millisecond, false, hostapi.Failed, 90 * time.Millisecond, 0},
		{"busy", time.Second, true, hostapi.Retry, 500 * time.Millisecond, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				goOn := make(chan struct{})
				w := newTown(t, "b", func(name string) script {
					return func(g *fakeGuest, op hostapi.GuestOp, _ []byte) ([]byte, hostapi.Status) {
						switch op {
						case hostapi.OpAction:
							g.hang()
						case hostapi.OpEvents:
							g.wait(goOn)
						}
						return nil, hostapi.Unsupported
					}
				})
				if tt.busy {
					w.beds["b"].offer("x")
					synctest.Wait()
				}
				ctx, cancel := context.WithTimeout(t.Context(), tt.left)
				defer cancel()
				began := time.Now()
				_, err := w.actors["b"].act(ctx, &lane{}, &wire.Action{}, func(v *Version) Call { return v.Calls.Begin(callOptions()) })
				if took := time.Since(began); statusOf(err) != tt.want || took != tt.took {
					t.Errorf("got %v after %v, want %v after %v", err, took, tt.want, tt.took)
				}
				close(goOn)
				synctest.Wait()
				if c := w.actors["b"].Counts(); c.Crashes != tt.crashes {
					t.Errorf("%d crashes, want %d", c.Crashes, tt.crashes)
				}
				w.stop()
			})
		})
	}
}
