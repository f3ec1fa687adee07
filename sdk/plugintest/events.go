package plugintest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// Events lets an anonymous client send events, which reach the plugin in one batch. It
// gives how many a subscription of the manifest chose. All of them are in the archive.
func (k *Kit) Events(xmls ...string) int {
	k.t.Helper()
	return k.EventsFrom(sdk.Client{}, xmls...)
}

// EventsFrom is Events for a sender who is known: user, uid, sets of groups. One who is
// connected by that uid need not be told again.
func (k *Kit) EventsFrom(from sdk.Client, xmls ...string) int {
	k.t.Helper()
	var chosen []*hostapi.Event
	for _, xml := range xmls {
		e := k.event(from, xml)
		k.archive = append(k.archive, e)
		if bits, _ := k.match(e); bits != 0 {
			chosen = append(chosen, e)
		}
	}
	if len(chosen) == 0 {
		return 0
	}
	k.number++
	k.deliver(chosen, k.number)
	return len(chosen)
}

// event makes an event of what a sender wrote.
func (k *Kit) event(from sdk.Client, xml string) *hostapi.Event {
	k.t.Helper()
	if i := k.client(from.UID); from.UID != "" && i >= 0 {
		from = k.online[i]
	}
	k.ids++
	e := &hostapi.Event{
		XML: xml, ID: hostapi.ID(k.now.UnixMilli()<<22 | k.ids), Recv: k.now.UnixMicro(), Conn: from.Connection,
		User: from.User, Client: from.UID, Groups: hostapi.SetID(max(from.InSet, 1)),
	}
	if err := cot.Scan(xml, &e.Header); err != nil {
		k.t.Fatalf("event: %v\n%s", err, xml)
	}
	return e
}

// match gives the subscriptions that choose an event, and what its view shall hold.
func (k *Kit) match(e *hostapi.Event) (bits uint32, want hostapi.DetailWant) {
	scope, ok := k.grants[hostapi.CapEventsRead]
	if !ok || !k.within(e, scope.Types, scope.Groups, (*manifest.Box)(scope.Box)) {
		return 0, want
	}
	for i := range k.manifest.Subscriptions {
		s := &k.manifest.Subscriptions[i]
		if !k.within(e, s.Types, s.Groups, s.Box) || toMission(e) && !missionOf(e, s.Missions) {
			continue
		}
		w := hostapi.WantDetail(s.Detail)
		w.XML = s.XML
		if bits == 0 {
			want = w
		} else {
			want = want.Union(w)
		}
		bits |= 1 << i
	}
	return bits, want
}

func (k *Kit) within(e *hostapi.Event, types, groups []string, box *manifest.Box) bool {
	if !matchTypes(types, e.Type) {
		return false
	}
	if box != nil && !(e.Flags.Has(cot.HasPoint) && (*cot.Box)(box).Holds(e.Lat, e.Lon)) {
		return false
	}
	return len(groups) == 0 || slices.ContainsFunc(k.groups(int32(e.Groups)), func(g string) bool { return hostapi.MatchAny(groups, g) })
}

func matchTypes(patterns []string, typ string) bool {
	set, err := cot.ParseTypeSet(patterns)
	return err == nil && set.Match(typ)
}

func toMission(e *hostapi.Event) bool { return missionOf(e, []string{"*"}) }

func missionOf(e *hostapi.Event, patterns []string) bool {
	for i := range e.NumDests() {
		d := e.Dest(i)
		if (d.Kind == cot.DestMission || d.Kind == cot.DestMissionGUID) && hostapi.MatchAny(patterns, d.Value) {
			return true
		}
	}
	return false
}

// deliver gives events as the server does: all in one call, after a failure one by one
// once more, and then to the dead letters.
func (k *Kit) deliver(events []*hostapi.Event, number uint64) {
	k.t.Helper()
	again, err := k.batch(events, number, 0)
	if err != nil {
		again = events
	}
	for _, e := range again {
		one := []*hostapi.Event{e}
		if _, err := k.batch(one, number, 1); err != nil {
			k.bury(hostapi.OpEvents, e.XML, err)
		}
	}
}

func (k *Kit) batch(events []*hostapi.Event, number uint64, attempt int) (again []*hostapi.Event, err error) {
	k.t.Helper()
	var b hostapi.BatchWriter
	hops := uint8(0)
	for _, e := range events {
		bits, want := k.match(e)
		b.Add(e, want, bits)
		hops = max(hops, e.Hops)
	}
	out, err := k.call(hostapi.OpEvents, b.Bytes(number, 0, attempt), how{hops: hops})
	if err != nil {
		return nil, err
	}
	var res wire.BatchResult
	if err := res.Decode(out); err != nil {
		return nil, fmt.Errorf("read the answer to events: %w", err)
	}
	for _, r := range res.Results {
		if int(r.Event) >= len(events) {
			return nil, errors.New("the answer tells of an event that was not given")
		}
		e, s := events[r.Event], hostapi.Status(r.Status)
		switch {
		case s == hostapi.OK:
		case s == hostapi.Retry && attempt == 0:
			again = append(again, e)
		default:
			k.bury(hostapi.OpEvents, e.XML, &sdk.Error{Status: s, Message: r.Message})
		}
	}
	return again, nil
}

// twice makes a call that is tried once more when it failed, and then given up.
func (k *Kit) twice(op hostapi.GuestOp, in []byte, h how, subject string) {
	k.t.Helper()
	if _, err := k.call(op, in, h); err == nil {
		return
	}
	if _, err := k.call(op, in, h); err != nil {
		k.bury(op, subject, err)
		if h.stage != nil {
			h.stage(k.state)
		}
	}
}

// Letter is something that the plugin failed on for good.
type Letter struct {
	Op      hostapi.GuestOp
	Subject string // an event's XML, a timer's name, a client's uid
	Err     error  // *sdk.Error, unless the plugin crashed
}

func (l Letter) String() string { return fmt.Sprintf("%v %s: %v", l.Op, l.Subject, l.Err) }

func (k *Kit) bury(op hostapi.GuestOp, subject string, err error) {
	k.letters = append(k.letters, Letter{op, subject, err})
}

// DeadLetters gives what the plugin failed on for good since it was last asked. Those
// that are never asked for fail the test.
func (k *Kit) DeadLetters() []Letter { return taken(&k.letters) }

// Filter asks the plugin's filter about an event of an anonymous client. Whether the
// manifest's filters choose it is not looked at.
func (k *Kit) Filter(xml string) (sdk.Verdict, error) {
	k.t.Helper()
	want := hostapi.DetailWant{}
	for _, f := range k.manifest.Filters {
		w := hostapi.WantDetail(f.Detail)
		w.XML = f.XML
		want = want.Union(w)
	}
	var b hostapi.BatchWriter
	b.Add(k.event(sdk.Client{}, xml), want, 0)
	var v sdk.Verdict
	out, err := k.call(hostapi.OpFilter, b.Bytes(0, 0, 0), how{pure: true})
	if err != nil {
		return v, err
	}
	if err := v.Decode(out); err != nil {
		return v, fmt.Errorf("read the verdict: %w", err)
	}
	return v, nil
}

// Archive puts events into the archive without giving them to the plugin.
func (k *Kit) Archive(xmls ...string) {
	k.t.Helper()
	for _, xml := range xmls {
		k.archive = append(k.archive, k.event(sdk.Client{}, xml))
	}
}
