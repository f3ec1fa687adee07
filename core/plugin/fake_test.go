package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/wire"
)

// script is what a module of these tests does; it stands in the module.
type script struct {
	Load    string // error of Load
	Init    string // "": well; fail, crash, retry
	HTTP    string // crash: the instance dies of each request
	Put     bool   // init stores a document
	Timer   bool   // init sets a timer that is due at once
	Reindex string // key that each document gets; empty: unsupported
	Code    int64  // Size
}

// fakeRuntime runs scripts.
type fakeRuntime struct {
	mu      sync.Mutex
	loads   []string // name and version, in their order
	modules map[*fakeModule]bool
	retries map[string]int // inits by name that are yet to be answered with retry
	configs map[string]string
	events  map[string]int
	loading chan string // if not nil: Load tells its name, and waits for a value of proceed
	proceed chan struct{}
	timers  []string
	program string // of the process plugin that was loaded last
}

func newFakeRuntime() *fakeRuntime {
	return &fakeRuntime{modules: map[*fakeModule]bool{}, retries: map[string]int{}, configs: map[string]string{}, events: map[string]int{}}
}

const scriptMark = "script:"

func (r *fakeRuntime) Load(ctx context.Context, c guest.Code) (guest.Module, error) {
	m := &fakeModule{r: r, code: c}
	if at := bytes.Index(c.Module, []byte(scriptMark)); at >= 0 {
		if err := json.NewDecoder(bytes.NewReader(c.Module[at+len(scriptMark):])).Decode(&m.script); err != nil {
			return nil, err
		}
	}
	if r.loading != nil {
		select {
		case r.loading <- c.Name:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		select {
		case <-r.proceed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if m.script.Load != "" {
		return nil, errors.New(m.script.Load)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loads = append(r.loads, c.Name+" "+c.Version)
	r.program = c.Program
	r.modules[m] = true
	return m, nil
}

func (r *fakeRuntime) Close(context.Context) error { return nil }

func (r *fakeRuntime) open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.modules)
}

type fakeModule struct {
	r      *fakeRuntime
	code   guest.Code
	script script
}

func (m *fakeModule) New(_ context.Context, h guest.Host) (guest.Instance, error) {
	return &fakeInstance{m: m, host: h}, nil
}

func (m *fakeModule) Size() int64 { return max(m.script.Code, 1) }

func (m *fakeModule) Close(context.Context) error {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	delete(m.r.modules, m)
	return nil
}

type fakeInstance struct {
	m    *fakeModule
	host guest.Host
}

func refuse(dst []byte, s hostapi.Status, text string) ([]byte, hostapi.Status, error) {
	e := wire.Error{Message: text}
	return e.Append(dst), s, nil
}

func (i *fakeInstance) Call(ctx context.Context, op hostapi.GuestOp, in, dst []byte) ([]byte, hostapi.Status, error) {
	crash := func(why string) ([]byte, hostapi.Status, error) {
		return nil, 0, &guest.Crash{Op: op, Reason: guest.Trapped, Err: errors.New(why), Output: "stack"}
	}
	r, s := i.m.r, i.m.script
	switch op {
	case hostapi.OpInit:
		return i.init(ctx, in, dst)
	case hostapi.OpHTTP:
		var req wire.HTTPRequest
		if err := req.Decode(in); err != nil {
			return nil, 0, err
		}
		if s.HTTP == "crash" {
			return crash("of a request")
		}
		answer := wire.HTTPResponse{Parts: []wire.Part{{Data: []byte(i.m.code.Name + " " + i.m.code.Version + " " + req.Route)}}}
		return answer.Append(dst), hostapi.OK, nil
	case hostapi.OpEvents:
		b := hostapi.Batch(in)
		r.mu.Lock()
		r.events[i.m.code.Name] += b.Len()
		r.mu.Unlock()
	case hostapi.OpTimer:
		var m wire.Timer
		if err := m.Decode(in); err != nil {
			return nil, 0, err
		}
		r.mu.Lock()
		r.timers = append(r.timers, i.m.code.Name+" "+m.Name)
		r.mu.Unlock()
	case hostapi.OpReindex:
		if s.Reindex == "" {
			return dst, hostapi.Unsupported, nil
		}
		var m wire.Reindex
		if err := m.Decode(in); err != nil {
			return nil, 0, err
		}
		var answer wire.Reindexed
		for range m.Documents {
			key, err := index.AppendTuple(nil, index.String(s.Reindex))
			if err != nil {
				return nil, 0, err
			}
			answer.Documents = append(answer.Documents, wire.DocumentKeys{Keys: []wire.IndexKey{{Index: m.Indexes[0], Key: key}}})
		}
		return answer.Append(dst), hostapi.OK, nil
	case hostapi.OpReconfigure:
		var m wire.Init
		if err := m.Decode(in); err != nil {
			return nil, 0, err
		}
		r.configured(&m)
	case hostapi.OpAction:
		var a wire.Action
		if err := a.Decode(in); err != nil {
			return nil, 0, err
		}
		answer := wire.ActionResult{Body: []byte(i.m.code.Version + " did " + a.Name)}
		return answer.Append(dst), hostapi.OK, nil
	}
	return dst, hostapi.OK, nil
}

func (i *fakeInstance) init(ctx context.Context, in, dst []byte) ([]byte, hostapi.Status, error) {
	r, s := i.m.r, i.m.script
	var m wire.Init
	if err := m.Decode(in); err != nil {
		return nil, 0, err
	}
	r.mu.Lock()
	retry := r.retries[m.Name] > 0
	if retry {
		r.retries[m.Name]--
	}
	r.mu.Unlock()
	switch {
	case retry:
		return refuse(dst, hostapi.Retry, "not yet")
	case s.Init == "fail":
		return refuse(dst, hostapi.Failed, "the area has no corners")
	case s.Init == "crash":
		return nil, 0, &guest.Crash{Op: hostapi.OpInit, Reason: guest.Trapped, Err: errors.New("nil pointer")}
	}
	if s.Put {
		p := wire.Put{Collection: "things", ID: "thing", Body: []byte("{}")}
		if out, st := i.host.Serve(ctx, hostapi.HostPut, p.Append(nil), nil); st != hostapi.OK {
			return out, st, nil
		}
	}
	if s.Timer {
		set := wire.TimerSet{Name: "soon", At: time.Now().UnixMicro()}
		if out, st := i.host.Serve(ctx, hostapi.HostTimerSet, set.Append(nil), nil); st != hostapi.OK {
			return out, st, nil
		}
	}
	r.configured(&m)
	return dst, hostapi.OK, nil
}

func (r *fakeRuntime) configured(m *wire.Init) {
	period := hostapi.Tree(m.Config).Root().Child("period").Text()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.configs[m.Name] = period
}

func (r *fakeRuntime) config(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.configs[name]
}

func (i *fakeInstance) Memory() int64               { return 1 << 20 }
func (i *fakeInstance) Close(context.Context) error { return nil }
