package conformance

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Host is a host with a store in memory and nothing else. Writes count at once:
// it is for one guest and one call at a time.
type Host struct {
	// Page bounds the documents of one answer; 0: 100.
	Page int
	// Config is the plugin's section: a hostapi.Tree.
	Config []byte
	// Now is what the clock says: µs since 1970 UTC.
	Now int64
	// Fail answers an operation with a status instead of serving it.
	Fail map[hostapi.HostOp]hostapi.Status

	mu   sync.Mutex
	docs map[string]map[string][]byte // collection, id, body
	logs []string
	sent []wire.Emission
}

var _ guest.Host = (*Host)(nil)

// Put stores a document.
func (h *Host) Put(collection, id, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.put(collection, id, []byte(body))
}

func (h *Host) put(collection, id string, body []byte) {
	if h.docs == nil {
		h.docs = map[string]map[string][]byte{}
	}
	if h.docs[collection] == nil {
		h.docs[collection] = map[string][]byte{}
	}
	h.docs[collection][id] = slices.Clone(body)
}

// Documents gives all of a collection, id → body.
func (h *Host) Documents(collection string) map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]string{}
	for id, body := range h.docs[collection] {
		all[id] = string(body)
	}
	return all
}

// Logs gives what the guest logged.
func (h *Host) Logs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.logs)
}

// Sent gives what the guest emitted.
func (h *Host) Sent() []wire.Emission {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.sent)
}

// Serve serves guest.Host.
func (h *Host) Serve(_ context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	// What the guest sent is good for this call only; texts of messages are copies.
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.Fail[op]; ok {
		return (&wire.Error{Message: "the test wants it so"}).Append(dst), s
	}
	switch op {
	case hostapi.HostLog:
		var m wire.Log
		if m.Decode(in) != nil {
			return dst, hostapi.Invalid
		}
		h.logs = append(h.logs, m.Message)
	case hostapi.HostConfig:
		return append(dst, h.Config...), hostapi.OK
	case hostapi.HostClock:
		return (&wire.Clock{Now: h.Now, Monotonic: 1}).Append(dst), hostapi.OK
	case hostapi.HostEmit:
		var m wire.Emit
		if m.Decode(in) != nil {
			return dst, hostapi.Invalid
		}
		h.sent = append(h.sent, m.Events...)
	case hostapi.HostGet:
		var m wire.Get
		if m.Decode(in) != nil {
			return dst, hostapi.Invalid
		}
		var found wire.Documents
		for _, id := range m.IDs {
			if body, ok := h.docs[m.Collection][id]; ok {
				found.Documents = append(found.Documents, wire.Document{Collection: m.Collection, ID: id, Body: body, Revision: 1})
			}
		}
		return found.Append(dst), hostapi.OK
	case hostapi.HostPut:
		var m wire.Put
		if m.Decode(in) != nil || m.Collection == "" || m.ID == "" {
			return dst, hostapi.Invalid
		}
		h.put(m.Collection, m.ID, m.Body)
	case hostapi.HostDelete:
		var m wire.Delete
		if m.Decode(in) != nil {
			return dst, hostapi.Invalid
		}
		_, existed := h.docs[m.Collection][m.ID]
		delete(h.docs[m.Collection], m.ID)
		return (&wire.Deleted{Existed: existed}).Append(dst), hostapi.OK
	case hostapi.HostQuery:
		return h.query(in, dst)
	default:
		return dst, hostapi.Unsupported
	}
	return dst, hostapi.OK
}

// query answers in the order of the ids, in pages.
func (h *Host) query(in, dst []byte) ([]byte, hostapi.Status) {
	var m wire.Query
	if m.Decode(in) != nil || m.Index != "" || m.Descending {
		return dst, hostapi.Invalid
	}
	limit := int(m.Limit)
	if limit == 0 {
		limit = hostapi.DefaultPage
	}
	if h.Page > 0 {
		limit = min(limit, h.Page)
	}
	var page wire.Documents
	last := ""
	for _, id := range slices.Sorted(maps.Keys(h.docs[m.Collection])) {
		if m.After != "" && strings.Compare(id, m.After) <= 0 {
			continue
		}
		if len(page.Documents) == limit {
			page.Next = last
			break
		}
		page.Documents = append(page.Documents, wire.Document{Collection: m.Collection, ID: id, Body: h.docs[m.Collection][id]})
		last = id
	}
	return page.Append(dst), hostapi.OK
}
