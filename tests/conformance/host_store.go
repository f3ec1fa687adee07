package conformance

import (
	"bytes"
	"maps"
	"slices"
	"strconv"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// document is one document with its keys.
type document struct {
	wire.Document
	keys map[string][]byte // by index
}

// Put stores a document.
func (h *Host) Put(collection, id, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.put(&wire.Put{Collection: collection, ID: id, Body: []byte(body)})
}

func (h *Host) put(m *wire.Put) {
	if h.docs == nil {
		h.docs = map[string]map[string]*document{}
	}
	if h.docs[m.Collection] == nil {
		h.docs[m.Collection] = map[string]*document{}
	}
	d := &document{wire.Document{Collection: m.Collection, ID: m.ID, Body: m.Body, Set: m.Set, Revision: 1}, map[string][]byte{}}
	if before := h.docs[m.Collection][m.ID]; before != nil {
		d.Revision = before.Revision + 1
	}
	for _, k := range m.Keys {
		d.keys[k.Index] = k.Key
	}
	h.docs[m.Collection][m.ID] = d
}

// Documents gives all of a collection, id → body.
func (h *Host) Documents(collection string) map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]string{}
	for id, d := range h.docs[collection] {
		all[id] = string(d.Body)
	}
	return all
}

// document gives one document, which is empty if there is none.
func (h *Host) document(collection, id string) document {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.docs[collection][id]; d != nil {
		return *d
	}
	return document{}
}

// store serves the operations of the store.
func (h *Host) store(op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	switch op {
	case hostapi.HostGet:
		var m wire.Get
		if err := m.Decode(in); err != nil {
			return refusal(dst, hostapi.Invalid, err.Error())
		}
		var found wire.Documents
		for _, id := range m.IDs {
			if d := h.docs[m.Collection][id]; d != nil {
				found.Documents = append(found.Documents, d.Document)
			}
		}
		return found.Append(dst), hostapi.OK
	case hostapi.HostPut:
		var m wire.Put
		if err := m.Decode(in); err != nil || m.Collection == "" || m.ID == "" {
			return refusal(dst, hostapi.Invalid, "no document")
		}
		if err := checkKeys(m.Keys); err != nil {
			return refusal(dst, hostapi.Invalid, err.Error())
		}
		if m.MustBeNew && h.docs[m.Collection][m.ID] != nil {
			return refusal(dst, hostapi.Conflict, m.ID+" is there")
		}
		h.put(&m)
		return dst, hostapi.OK
	case hostapi.HostDelete:
		var m wire.Delete
		if err := m.Decode(in); err != nil {
			return refusal(dst, hostapi.Invalid, err.Error())
		}
		_, existed := h.docs[m.Collection][m.ID]
		delete(h.docs[m.Collection], m.ID)
		return (&wire.Deleted{Existed: existed}).Append(dst), hostapi.OK
	case hostapi.HostQuery:
		return h.query(in, dst)
	case hostapi.HostNextCounter:
		var m wire.Counter
		if err := m.Decode(in); err != nil {
			return refusal(dst, hostapi.Invalid, err.Error())
		}
		if h.counters == nil {
			h.counters = map[string]int64{}
		}
		h.counters[m.Name]++
		return (&wire.CounterValue{Value: h.counters[m.Name]}).Append(dst), hostapi.OK
	}
	return refusal(dst, hostapi.Unsupported, "the test has no "+op.String())
}

// query answers in the order of the ids or of an index, in pages.
func (h *Host) query(in, dst []byte) ([]byte, hostapi.Status) {
	var m wire.Query
	if err := m.Decode(in); err != nil {
		return refusal(dst, hostapi.Invalid, err.Error())
	}
	found := h.find(&m)
	if m.Count {
		return (&wire.Documents{Count: uint64(len(found))}).Append(dst), hostapi.OK
	}
	limit := int(m.Limit)
	if limit == 0 {
		limit = hostapi.DefaultPage
	}
	if h.Page > 0 {
		limit = min(limit, h.Page)
	}
	var page wire.Documents
	from, err := strconv.Atoi(m.After)
	if m.After != "" && (err != nil || from < 0 || from > len(found)) {
		return refusal(dst, hostapi.Invalid, "no page of this query")
	}
	page.Documents = found[from:min(from+limit, len(found))]
	if from+limit < len(found) {
		page.Next = strconv.Itoa(from + limit)
	}
	return page.Append(dst), hostapi.OK
}

// find gives the documents in the range of a query.
func (h *Host) find(m *wire.Query) (found []wire.Document) {
	for _, id := range slices.Sorted(maps.Keys(h.docs[m.Collection])) {
		d := h.docs[m.Collection][id]
		key, has := []byte(id), true
		if m.Index != "" {
			key, has = d.keys[m.Index]
		}
		if !has || bytes.Compare(key, m.From) < 0 || len(m.To) > 0 && bytes.Compare(key, m.To) >= 0 {
			continue
		}
		row := d.Document
		if m.Index != "" {
			row.Key = key
		}
		if m.NoBodies {
			row.Body = nil
		}
		found = append(found, row)
	}
	if m.Index != "" {
		slices.SortStableFunc(found, func(a, b wire.Document) int { return bytes.Compare(a.Key, b.Key) })
	}
	if m.Descending {
		slices.Reverse(found)
	}
	return found
}
