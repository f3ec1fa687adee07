package plugintest

import (
	"slices"
	"strconv"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// queryEvents reads what Events and Archive put into the archive.
func (w *work) queryEvents(in, dst []byte) ([]byte, error) {
	const op = hostapi.HostQueryEvents
	var m wire.EventQuery
	if err := decode(op, in, &m); err != nil {
		return nil, err
	}
	if err := w.needCaller(op, m.AsCaller); err != nil {
		return nil, err
	}
	if len(m.IDs) > 0 {
		m = wire.EventQuery{IDs: m.IDs, AsCaller: m.AsCaller, OldestFirst: m.OldestFirst, Detail: m.Detail, XML: m.XML}
	}
	limit := hostapi.DefaultPage
	if m.Limit > 0 {
		limit = min(int(m.Limit), hostapi.MaxPage)
	}
	if rows := w.k.amount(hostapi.CapEventsQuery, "rows"); rows > 0 {
		limit = min(limit, int(rows))
	}
	after := int64(0)
	if m.After != "" {
		var err error
		if after, err = strconv.ParseInt(m.After, 36, 64); err != nil {
			return nil, errf(hostapi.Invalid, "%v: after %q is none that a page gave", op, m.After)
		}
	}
	list := slices.Clone(w.k.archive)
	if !m.OldestFirst {
		slices.Reverse(list)
	}
	want := hostapi.WantDetail(m.Detail)
	want.XML = m.XML
	var b hostapi.BatchWriter
	b.Reset()
	var page wire.EventPage
	latest := map[string]*hostapi.Event{}
	for _, e := range w.k.archive {
		latest[e.UID] = e
	}
	last := int64(0)
	for _, e := range list {
		if !w.asked(&m, e) || m.Latest && latest[e.UID] != e {
			continue
		}
		if id := int64(e.ID); after != 0 && (id == after || (id < after) == m.OldestFirst) {
			continue
		}
		if b.Len() == limit {
			page.Next = strconv.FormatInt(last, 36)
			break
		}
		b.Add(e, want, 0)
		last = int64(e.ID)
	}
	page.Views = b.Bytes(0, 0, 0)
	return page.Append(dst), nil
}

// asked says whether an event is one of those asked for, of those that are granted.
func (w *work) asked(m *wire.EventQuery, e *hostapi.Event) bool {
	scope := w.k.grants[hostapi.CapEventsQuery]
	if !w.k.within(e, scope.Types, scope.Groups, (*manifest.Box)(scope.Box)) || toMission(e) && !scope.Missions {
		return false
	}
	if scope.Span > 0 && e.Recv < w.k.now.Add(-scope.Span).UnixMicro() {
		return false
	}
	if m.AsCaller && !w.k.meet(int32(e.Groups), w.caller.OutSet) {
		return false
	}
	if len(m.IDs) > 0 {
		return slices.Contains(m.IDs, int64(e.ID))
	}
	types := m.Types
	if len(types) == 0 {
		types = []string{"*"}
	}
	var box *manifest.Box
	if m.Box != nil {
		box = (*manifest.Box)(&cot.Box{South: m.Box.South, West: m.Box.West, North: m.Box.North, East: m.Box.East})
	}
	return w.k.within(e, types, m.Groups, box) && (len(m.UIDs) == 0 || slices.Contains(m.UIDs, e.UID)) &&
		e.Recv >= m.From && (m.To == 0 || e.Recv < m.To)
}
