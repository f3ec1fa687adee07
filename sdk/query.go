package sdk

import (
	"iter"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/wire"
)

// Query finds documents by a range of an index, or of their ids. It is built up by
// methods that give it back:
//
//	for d, err := range c.Collection("notes").By("by-time").From(sdk.At(since)).Descending().All() {
//
// The same Query may be sent as a part of an answer, see Response.Documents.
type Query struct {
	call *Call
	q    wire.Query
	err  error
}

// Query finds all documents of the collection in the order of their ids.
func (k Collection) Query() *Query { return k.By("") }

// By finds the documents that have a key of that index, in its order.
func (k Collection) By(name string) *Query {
	return &Query{call: k.call, q: wire.Query{Collection: k.name, Index: name, AsCaller: k.asCaller}}
}

// From begins with the first key that is not before the values. Fewer values than
// the index has are good: those that are left out stand for the first of all.
func (q *Query) From(values ...Value) *Query { q.q.From = q.key(values); return q }

// Before ends before the first key that is not before the values.
func (q *Query) Before(values ...Value) *Query { q.q.To = q.key(values); return q }

// Through ends behind the last key that begins with the values.
func (q *Query) Through(values ...Value) *Query {
	if key := q.key(values); key != nil {
		if q.q.Index == "" {
			q.q.To = append(key, 0)
		} else {
			q.q.To = index.After(nil, key)
		}
	}
	return q
}

// Is finds the keys that begin with the values.
func (q *Query) Is(values ...Value) *Query { return q.From(values...).Through(values...) }

// Prefix finds the keys that have the values but the last one, and then a text that
// begins with the last one. Of ids, those that begin with the one value.
func (q *Query) Prefix(values ...Value) *Query {
	if len(values) == 0 {
		return q.fail("a prefix needs a value")
	}
	if q.q.Index == "" {
		q.q.From = q.key(values)
		q.q.To = afterText(q.q.From)
		return q
	}
	last := len(values) - 1
	// AppendPrefix takes the text first and what goes before it behind.
	from, err := index.AppendPrefix(nil, values[last], values[:last]...)
	if err != nil {
		return q.fail(err.Error())
	}
	q.q.From, q.q.To = from, index.AfterPrefix(nil, from)
	return q
}

// Descending turns the order round: the last one comes first.
func (q *Query) Descending() *Query { q.q.Descending = true; return q }

// Limit sets how many documents a page has at most: 100 by default, up to 1,000. A
// page ends at 1 MiB of bodies in any case, so that it fits into a plugin's memory.
func (q *Query) Limit(n int) *Query { q.q.Limit = uint32(max(n, 0)); return q }

// After goes on behind a page: with its Next.
func (q *Query) After(next string) *Query { q.q.After = next; return q }

// NoBodies leaves the bodies out, for those who want ids or keys.
func (q *Query) NoBodies() *Query { q.q.NoBodies = true; return q }

// Page is some documents of a query. It may have fewer than Limit says, even none,
// and yet others follow: Next alone tells.
type Page struct {
	Documents []Document
	Next      string // for After; empty: there are no more
}

// Page reads one page.
func (q *Query) Page() (Page, error) {
	docs, err := q.ask(&q.q)
	return Page{docs.Documents, docs.Next}, err
}

// First reads the first document, if there is one.
func (q *Query) First() (d Document, ok bool, err error) {
	m := q.q
	m.Limit = 1
	docs, err := q.ask(&m)
	if err != nil || len(docs.Documents) == 0 {
		return Document{}, false, err
	}
	return docs.Documents[0], true, nil
}

// All goes over all documents, page by page. An error is the last that it gives.
func (q *Query) All() iter.Seq2[*Document, error] {
	return func(yield func(*Document, error) bool) {
		for m := q.q; ; {
			docs, err := q.ask(&m)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range docs.Documents {
				if !yield(&docs.Documents[i], nil) {
					return
				}
			}
			if docs.Next == "" {
				return
			}
			m.After = docs.Next
		}
	}
}

// Count says how many documents there are.
func (q *Query) Count() (int64, error) {
	m := q.q
	m.Count, m.NoBodies = true, true
	docs, err := q.ask(&m)
	return int64(docs.Count), err
}

func (q *Query) ask(m *wire.Query) (docs wire.Documents, err error) {
	if q.err != nil {
		return docs, q.err
	}
	answer, err := q.call.ask(hostapi.HostQuery, m.Append)
	if err != nil {
		return docs, err
	}
	return docs, badAnswer(hostapi.HostQuery, docs.Decode(answer))
}

// key writes values as the index has them. An id is its text alone.
func (q *Query) key(values []Value) []byte {
	if q.q.Index == "" {
		if len(values) != 1 || values[0].Kind() != index.KindString {
			q.fail("ids are found by one text")
			return nil
		}
		return []byte(values[0].Text())
	}
	key, err := index.AppendTuple(nil, values...)
	if err != nil {
		q.fail(err.Error())
		return nil
	}
	return key
}

func (q *Query) fail(why string) *Query {
	if q.err == nil {
		q.err = &Error{Status: Invalid, Message: "query " + q.q.Collection + ": " + why}
	}
	return q
}

// afterText gives the first text behind all that begin with b, nil if there is none.
func afterText(b []byte) []byte {
	out := append([]byte(nil), b...)
	for len(out) > 0 {
		if out[len(out)-1]++; out[len(out)-1] != 0 {
			return out
		}
		out = out[:len(out)-1]
	}
	return nil
}
