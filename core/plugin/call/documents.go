package call

import (
	"context"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Bounds of one store.get: ids are read in steps, so that an answer that is too
// large is found before all of it is in memory.
const (
	getStep  = 50
	getBytes = 16 << 20
)

func (c *Call) get(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostGet
	var m wire.Get
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	if len(m.IDs) > hostapi.MaxPage {
		return dst, beyond(op, "%d ids, at most %d are possible", len(m.IDs), hostapi.MaxPage)
	}
	visible, err := c.visible(op, m.AsCaller)
	if err != nil {
		return dst, err
	}
	n, size := len(dst), 0
	for ids := m.IDs; len(ids) > 0; {
		step := ids[:min(len(ids), getStep)]
		ids = ids[len(step):]
		docs, err := c.Work().Get(ctx, &c.p.owner, m.Collection, step, visible)
		if err != nil {
			return dst[:n], err
		}
		for i := range docs {
			if size += len(docs[i].Body); size > getBytes {
				return dst[:n], beyond(op, "the documents have more than %d bytes together: ask for fewer", getBytes)
			}
		}
		dst = appendDocuments(dst, docs, "", 0)
	}
	return dst, nil
}

// appendDocuments appends a Documents message. Several, one behind the other,
// are one with all of their documents.
func appendDocuments(dst []byte, docs []store.Document, next string, count uint64) []byte {
	m := wire.Documents{Next: next, Count: count}
	if len(docs) > 0 {
		m.Documents = make([]wire.Document, len(docs))
	}
	for i := range docs {
		d := &docs[i]
		m.Documents[i] = wire.Document{
			Collection: d.Collection, ID: d.ID, Body: d.Body, Data: d.Data, Revision: d.Revision,
			Set: int32(d.Set), Modified: d.Modified.UnixMicro(), Key: d.Key,
		}
	}
	return m.Append(dst)
}

func (c *Call) put(ctx context.Context, in []byte) error {
	const op = hostapi.HostPut
	if err := c.stages(op); err != nil {
		return err
	}
	var m wire.Put
	if err := decode(op, in, &m); err != nil {
		return err
	}
	if len(m.Body) > hostapi.MaxDocument {
		return beyond(op, "document %s has %d bytes, at most %d are possible", show(m.ID), len(m.Body), hostapi.MaxDocument)
	}
	if len(m.ID) > hostapi.MaxDocumentID {
		return beyond(op, "an id of %d bytes, at most %d are possible", len(m.ID), hostapi.MaxDocumentID)
	}
	if m.Set != 0 && len(c.p.env.Groups.Members(hostapi.SetID(m.Set))) == 0 {
		return invalid(op, "there is no set %d of groups", m.Set)
	}
	// The body is the guest's memory, which changes when the call goes on.
	d := store.Document{Collection: m.Collection, ID: m.ID, Body: append([]byte{}, m.Body...), Set: hostapi.SetID(m.Set)}
	keys := make([]store.Key, len(m.Keys))
	for i, k := range m.Keys {
		keys[i] = store.Key{Index: k.Index, Key: append([]byte{}, k.Key...)}
	}
	return c.Work().Put(ctx, &c.p.owner, d, keys, m.MustBeNew)
}

func (c *Call) delete(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostDelete
	if err := c.stages(op); err != nil {
		return dst, err
	}
	var m wire.Delete
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	existed, err := c.Work().Delete(ctx, &c.p.owner, m.Collection, m.ID)
	if err != nil {
		return dst, err
	}
	answer := wire.Deleted{Existed: existed}
	return answer.Append(dst), nil
}

func (c *Call) query(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostQuery
	var m wire.Query
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	if m.Limit > hostapi.MaxPage {
		return dst, beyond(op, "limit %d, at most %d is possible", m.Limit, hostapi.MaxPage)
	}
	visible, err := c.visible(op, m.AsCaller)
	if err != nil {
		return dst, err
	}
	page, err := c.Work().Query(ctx, &c.p.owner, DocQuery(&m, visible))
	if err != nil {
		return dst, err
	}
	return appendDocuments(dst, page.Documents, page.Next, page.Count), nil
}

// DocQuery gives a guest's query as the store takes it, for those who read the
// ranges of an answer.
func DocQuery(m *wire.Query, visible store.Visible) store.DocQuery {
	return store.DocQuery{
		Collection: m.Collection, Index: m.Index, From: m.From, To: m.To, Descending: m.Descending,
		Limit: int(m.Limit), After: m.After, Count: m.Count, NoBodies: m.NoBodies, Visible: visible,
	}
}

// Visible says what the caller of the call may see, for those who read the
// documents of an answer; the error is a *StatusError when there is no caller.
func (c *Call) Visible() (store.Visible, error) {
	v, err := c.visible(hostapi.HostQuery, true)
	return v, err
}

func (c *Call) next(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostNextCounter
	if err := c.stages(op); err != nil {
		return dst, err
	}
	var m wire.Counter
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	v, err := c.Work().Next(ctx, &c.p.owner, m.Name)
	if err != nil {
		return dst, err
	}
	answer := wire.CounterValue{Value: v}
	return answer.Append(dst), nil
}
