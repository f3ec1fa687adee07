package sdk

import (
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Document is one document. Its body is good until the function returns.
type Document = wire.Document

// Collection is one kind of documents of the plugin's, as the manifest lists
// them. Methods that give a Collection give another one, so they can be chained:
//
//	err := c.Collection("notes").For(caller.InSet).Put(id, body)
type Collection struct {
	call     *Call
	name     string
	set      int32
	asCaller bool
}

// Collection gives a collection.
func (c *Call) Collection(name string) Collection { return Collection{call: c, name: name} }

// For makes Put and New write documents that only groups of that set may see: a
// caller's InSet, or the Groups of an event. 0 is everybody.
func (k Collection) For(set int32) Collection { k.set = set; return k }

// AsCaller makes reading leave out what the caller of this call may not see.
func (k Collection) AsCaller() Collection { k.asCaller = true; return k }

// Get reads a document. When it is not there the error has the status NotFound.
func (k Collection) Get(id string) (Document, error) {
	d, ok, err := k.Find(id)
	if err == nil && !ok {
		err = &Error{Status: NotFound, Message: id + " is not in " + k.name}
	}
	return d, err
}

// Find reads a document that may not be there.
func (k Collection) Find(id string) (d Document, ok bool, err error) {
	docs, err := k.GetAll(id)
	if err != nil || len(docs) == 0 {
		return Document{}, false, err
	}
	return docs[0], true, nil
}

// GetAll reads several documents: those that are there.
func (k Collection) GetAll(ids ...string) ([]Document, error) {
	m := wire.Get{Collection: k.name, IDs: ids, AsCaller: k.asCaller}
	answer, err := k.call.ask(hostapi.HostGet, m.Append)
	if err != nil {
		return nil, err
	}
	var docs wire.Documents
	err = badAnswer(hostapi.HostGet, docs.Decode(answer))
	return docs.Documents, err
}

// Put writes a document, whole. An index finds it by the keys given now; one without
// a key does not find it. A key of a unique index that another document has is
// refused as Conflict.
func (k Collection) Put(id string, body []byte, keys ...Key) error {
	return k.put(id, body, keys, false)
}

// New is Put for a document that must not be there yet; otherwise the error has the
// status Conflict.
func (k Collection) New(id string, body []byte, keys ...Key) error {
	return k.put(id, body, keys, true)
}

func (k Collection) put(id string, body []byte, keys []Key, mustBeNew bool) error {
	m := wire.Put{Collection: k.name, ID: id, Body: body, Set: k.set, MustBeNew: mustBeNew}
	if len(keys) > 0 {
		m.Keys = make([]wire.IndexKey, 0, len(keys))
	}
	for i := range keys {
		key, err := keys[i].encode()
		if err != nil {
			return err
		}
		m.Keys = append(m.Keys, key)
	}
	return k.call.tell(hostapi.HostPut, m.Append)
}

// Delete removes a document and says whether it was there.
func (k Collection) Delete(id string) (existed bool, err error) {
	m := wire.Delete{Collection: k.name, ID: id}
	answer, err := k.call.ask(hostapi.HostDelete, m.Append)
	if err != nil {
		return false, err
	}
	var d wire.Deleted
	err = badAnswer(hostapi.HostDelete, d.Decode(answer))
	return d.Existed, err
}

// Next gives the next value of a counter of the plugin, 1 first. Values of calls
// that were not committed may be given again.
func (c *Call) Next(counter string) (int64, error) {
	m := wire.Counter{Name: counter}
	answer, err := c.ask(hostapi.HostNextCounter, m.Append)
	if err != nil {
		return 0, err
	}
	var v wire.CounterValue
	err = badAnswer(hostapi.HostNextCounter, v.Decode(answer))
	return v.Value, err
}
