package call

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// inputs has a good message for each operation.
func inputs() map[hostapi.HostOp]message {
	anyone, zipped := &wire.Audience{All: true}, hashOf(testZip())
	return map[hostapi.HostOp]message{
		hostapi.HostLog:          &wire.Log{Message: "hello"},
		hostapi.HostConfig:       nil,
		hostapi.HostClock:        nil,
		hostapi.HostRandom:       &wire.RandomRequest{N: 8},
		hostapi.HostMetric:       &wire.Metrics{Metrics: []wire.Metric{{Name: "n", Value: 1}}},
		hostapi.HostEmit:         emitOf(emitted("b-t-f", "e", *anyone)),
		hostapi.HostQueryEvents:  &wire.EventQuery{},
		hostapi.HostGet:          &wire.Get{Collection: "things", IDs: []string{"a"}},
		hostapi.HostPut:          &wire.Put{Collection: "things", ID: "a", Body: []byte("x"), Keys: key("a")},
		hostapi.HostDelete:       &wire.Delete{Collection: "things", ID: "a"},
		hostapi.HostQuery:        &wire.Query{Collection: "things"},
		hostapi.HostNextCounter:  &wire.Counter{Name: "n"},
		hostapi.HostBlobPut:      &wire.BlobPut{},
		hostapi.HostBlobRead:     &wire.BlobRead{Hash: zipped, Length: 4},
		hostapi.HostBlobStat:     &wire.BlobRef{Hash: zipped},
		hostapi.HostBlobList:     &wire.BlobOwner{Owner: "o"},
		hostapi.HostBlobZipList:  &wire.BlobRef{Hash: zipped},
		hostapi.HostBlobZipEntry: &wire.ZipEntryRequest{Hash: zipped, Name: "a.txt"},
		hostapi.HostBlobPack:     &wire.BlobPack{},
		hostapi.HostBlobKeep:     &wire.BlobKeep{Hash: zipped, Owner: "o"},
		hostapi.HostBlobRelease:  &wire.BlobKeep{Hash: zipped, Owner: "o"},
		hostapi.HostClients:      &wire.ClientQuery{},
		hostapi.HostIdentity:     &wire.IdentityQuery{},
		hostapi.HostTopicSet:     &wire.Topic{Name: "t/1"},
		hostapi.HostTopicJoin:    &wire.Topic{Name: "t/1", Members: []wire.TopicMember{{Client: "X"}}},
		hostapi.HostTopicLeave:   &wire.Topic{Name: "t/1", Members: []wire.TopicMember{{Client: "X"}}},
		hostapi.HostTopicGet:     &wire.TopicName{Name: "t/1"},
		hostapi.HostTopicAlias:   &wire.TopicAlias{Alias: "Operation X", Topics: []string{"t/1"}},
		hostapi.HostTopicDrop:    &wire.TopicName{Name: "t/1"},
		hostapi.HostTimerSet:     &wire.TimerSet{Name: "t", Every: 1e6},
		hostapi.HostTimerCancel:  &wire.TimerName{Name: "t"},
		hostapi.HostPublish:      &wire.Publish{Stream: "s", Data: []byte(`{}`), Audience: anyone},
		hostapi.HostFetch:        &wire.Fetch{URL: "http://127.0.0.1:1/"},
		hostapi.HostStreamListen: &wire.StreamListen{},
		hostapi.HostStreamDial:   &wire.StreamDial{},
		hostapi.HostStreamWrite:  &wire.StreamWrite{},
		hostapi.HostStreamClose:  &wire.StreamID{},
		hostapi.HostStreamCredit: &wire.StreamCredit{},
		hostapi.HostCall:         &wire.Action{Name: "other.act"},
	}
}

// ops gives all operations of the contract, in their order.
func ops() (list []hostapi.HostOp) {
	for op := range hostapi.HostOp(0x200) {
		if _, ok := op.Capability(); ok {
			list = append(list, op)
		}
	}
	return list
}

func TestWithoutAGrantNothingButAlways(t *testing.T) {
	b := newBed(t)
	p := b.plugin("bare", nil)
	in, n := inputs(), uint64(0)
	for _, op := range ops() {
		t.Run(op.String(), func(t *testing.T) {
			c := p.Begin(Options{})
			defer c.Discard()
			a := b.do(c, op, in[op])
			capability, _ := op.Capability()
			if capability == hostapi.CapAlways {
				if a.status != hostapi.OK {
					t.Errorf("got %v: %s, want ok", a.status, a.err.Message)
				}
				return
			}
			n++
			want := op.String() + ": the capability " + string(capability) + " is not granted"
			if a.status != hostapi.Forbidden || a.err.Code != "not_granted" || a.err.Message != want {
				t.Errorf("got %v, %+v, want forbidden: %s", a.status, a.err, want)
			}
			if c.Staged() {
				t.Error("something was staged")
			}
		})
	}
	if got := p.Counts().Refused; got != n || n < 30 {
		t.Errorf("counted %d refusals, want %d", got, n)
	}
	if got := b.log.lines("an operation of the plugin was refused"); len(got) != 1 || !strings.Contains(got[0], "level=WARN") ||
		!strings.Contains(got[0], "plugin=bare") || !strings.Contains(got[0], "op=events.emit") {
		t.Errorf("logged %q, want one warning in the first second", got)
	}
}

func TestEveryOperationWithItsGrant(t *testing.T) {
	b := newBed(t)
	b.actions = actionTable{"other.act": act(&wire.ActionResult{})}
	b.blob(testZip())
	in := inputs()
	for _, op := range ops() {
		t.Run(op.String(), func(t *testing.T) {
			capability, _ := op.Capability()
			g := hostapi.Grants{}
			if capability != hostapi.CapAlways {
				g[capability] = all()[capability]
			}
			p := b.plugin("p-"+op.String(), g)
			c := p.Begin(Options{})
			defer c.Discard()
			if op == hostapi.HostTopicGet || op == hostapi.HostTopicLeave || op == hostapi.HostTopicAlias {
				b.ok(c, hostapi.HostTopicSet, in[hostapi.HostTopicSet])
			}
			want := hostapi.OK
			switch capability {
			case hostapi.CapIdentityRead, hostapi.CapStreams:
				want = hostapi.Unsupported
			}
			if op == hostapi.HostFetch {
				want = hostapi.Retry // nobody listens there
			}
			a := b.do(c, op, in[op])
			if a.status != want {
				t.Errorf("got %v: %s, want %v", a.status, a.err.Message, want)
			}
			if want == hostapi.Unsupported && !strings.Contains(a.err.Message, "comes with") {
				t.Errorf("message %q does not say with what it comes", a.err.Message)
			}
		})
	}
}

func TestUnknownOperation(t *testing.T) {
	b := newBed(t)
	c := b.plugin("p", all()).Begin(Options{})
	for _, op := range []hostapi.HostOp{0, 6, 0x29, 0xff, 0x100, 1 << 31, 1<<32 - 1} {
		b.refused(c, op, nil, hostapi.Unsupported, "is not known to this server")
	}
}

func TestUndecodableInput(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", all())
	for _, op := range ops() {
		switch capability, _ := op.Capability(); {
		case op == hostapi.HostConfig || op == hostapi.HostClock: // they take nothing
			continue
		case capability == hostapi.CapIdentityRead || capability == hostapi.CapStreams:
			continue
		}
		t.Run(op.String(), func(t *testing.T) {
			for _, in := range []string{"\x0a\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x0b"} {
				c := p.Begin(Options{})
				if a := b.raw(c, op, []byte(in)); a.status != hostapi.Invalid || !strings.Contains(a.err.Message, op.String()+": the input cannot be read") {
					t.Errorf("%q: got %v: %s, want invalid", in, a.status, a.err.Message)
				}
				if c.Staged() {
					t.Error("something was staged")
				}
			}
		})
	}
}

func TestReadOnlyStagesNothing(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", all())
	in := inputs()
	staging := []hostapi.HostOp{
		hostapi.HostEmit, hostapi.HostPut, hostapi.HostDelete, hostapi.HostNextCounter, hostapi.HostTopicSet, hostapi.HostTopicJoin,
		hostapi.HostTopicLeave, hostapi.HostTopicDrop, hostapi.HostTopicAlias, hostapi.HostTimerSet, hostapi.HostTimerCancel, hostapi.HostPublish,
		hostapi.HostBlobKeep, hostapi.HostBlobRelease,
	}
	c := p.Begin(Options{ReadOnly: true})
	for _, op := range staging {
		a := b.do(c, op, in[op])
		if a.status != hostapi.Forbidden || a.err.Code != "read_only" || !strings.Contains(a.err.Message, "only reads") {
			t.Errorf("%v: got %v: %+v, want forbidden, as the call only reads", op, a.status, a.err)
		}
	}
	b.blob(testZip())
	for _, op := range []hostapi.HostOp{
		hostapi.HostGet, hostapi.HostQuery, hostapi.HostQueryEvents, hostapi.HostClients, hostapi.HostClock, hostapi.HostBlobPut, hostapi.HostBlobRead,
		hostapi.HostBlobStat, hostapi.HostBlobList, hostapi.HostBlobZipList, hostapi.HostBlobZipEntry, hostapi.HostBlobPack,
	} {
		b.ok(c, op, in[op])
	}
	if c.Staged() {
		t.Error("something was staged")
	}
}

func TestPureCallHasOnlyAlways(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", all())
	in := inputs()
	for _, op := range ops() {
		c := p.Begin(Options{Pure: true})
		a := b.do(c, op, in[op])
		if capability, _ := op.Capability(); capability == hostapi.CapAlways {
			if a.status != hostapi.OK {
				t.Errorf("%v: got %v: %s, want ok", op, a.status, a.err.Message)
			}
		} else if a.status != hostapi.Forbidden || a.err.Code != "pure" {
			t.Errorf("%v: got %v: %+v, want forbidden in a filter", op, a.status, a.err)
		}
	}
}

func TestBadSpecIsRefused(t *testing.T) {
	b := newBed(t)
	for name, g := range map[string]hostapi.Grants{
		"no capability":    {"events.shout": {}},
		"missing key":      {hostapi.CapEventsEmit: {}},
		"no pattern":       {hostapi.CapEventsQuery: {Types: []string{"<"}}},
		"host with a path": {hostapi.CapHTTPClient: {Hosts: []string{"a/b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := b.env.NewPlugin(Spec{Name: "p", Manifest: &testManifest, Grants: g}); err == nil {
				t.Error("no error")
			}
		})
	}
}
