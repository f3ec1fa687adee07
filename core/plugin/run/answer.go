package run

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// maxHead is how many bytes of an answer beyond its body there may be: status,
// headers, what the parts are made of.
const maxHead = 256 << 10

// Documents reads what the parts of an answer mean. *store.Work is one.
type Documents interface {
	Get(ctx context.Context, o *store.Owner, collection string, ids []string, v store.Visible) ([]store.Document, error)
	Query(ctx context.Context, o *store.Owner, q store.DocQuery) (store.DocPage, error)
}

// checkResponse refuses answers that cannot be sent, before anything is
// committed. nil: fine.
func checkResponse(r *wire.HTTPResponse) error {
	if r.Status != 0 && (r.Status < 200 || r.Status > 599) {
		return fmt.Errorf("has the HTTP status %d", r.Status)
	}
	for i := range r.Parts {
		p := &r.Parts[i]
		n := 0
		for _, set := range [...]bool{len(p.Data) > 0, p.Document != nil, p.Range != nil, p.Blob != nil} {
			if set {
				n++
			}
		}
		switch {
		case n > 1:
			return fmt.Errorf("part %d is several things at once", i)
		case p.Range != nil && p.Range.Query == nil:
			return fmt.Errorf("part %d is a range without a query", i)
		case p.Range != nil && p.Range.Query.Count:
			return fmt.Errorf("part %d is a range that only counts", i)
		case p.Blob != nil && p.Blob.Hash == "":
			return fmt.Errorf("part %d is a file without its hash", i)
		case p.Blob != nil && (p.Blob.Offset < 0 || p.Blob.Length < 0):
			// Not a fault of the plugin's code alone: the numbers are mostly a client's.
			return &call.StatusError{Status: hostapi.Invalid, Message: fmt.Sprintf("the answer is %d bytes of a file from %d on: neither can be below zero", p.Blob.Length, p.Blob.Offset)}
		}
	}
	return nil
}

// Answer is a plugin's answer to a request as it is sent. It must be written
// once or not at all; documents and ranges are read meanwhile, page by page, so
// that a list of any length takes little memory.
type Answer struct {
	Status      int
	ContentType string // empty: what the route declares
	Header      [][2]string
	Size        int64 // of the body; -1 when it is not known before it is written

	// File is set when the body is a whole file and nothing else. Whoever serves parts of
	// it reads it in the place of WriteTo.
	File *store.BlobReader

	OfFile   bool   // some of the body is out of a file
	FileName string // as which that is to be saved; empty: the plugin does not say

	parts   []wire.Part
	docs    Documents
	from    Files
	owner   *store.Owner
	visible store.Visible // of ranges "as caller"
	first   []byte        // body of the first part, if that is a document
}

// NewAnswer makes an answer of what HTTP gave. visible says what the caller may
// see. A document or file that is not there when the answer begins is the error
// NotFound, as nothing has been sent then. Files may be nil: there are none. The
// answer must be closed.
func NewAnswer(ctx context.Context, r *wire.HTTPResponse, docs Documents, files Files, o *store.Owner, visible store.Visible) (*Answer, error) {
	a := &Answer{
		Status: int(r.Status), ContentType: r.ContentType, parts: r.Parts, docs: docs, from: files, owner: o, visible: visible,
	}
	if a.Status == 0 {
		a.Status = 200
	}
	for _, h := range r.Headers {
		a.Header = append(a.Header, [2]string{h.Name, h.Value})
	}
	for i := range a.parts {
		p := &a.parts[i]
		switch {
		case p.Range != nil:
			a.Size = -1
		case p.Document != nil && len(a.parts) == 1:
			body, err := a.document(ctx, p.Document)
			if err != nil {
				return nil, err
			}
			a.first, a.Size = body, int64(len(body))
		case p.Document != nil:
			a.Size = -1
		case a.Size >= 0:
			a.Size += int64(len(p.Data))
		}
	}
	if err := a.findFiles(ctx); err != nil {
		return nil, err
	}
	return a, nil
}

func (a *Answer) document(ctx context.Context, p *wire.DocumentPart) ([]byte, error) {
	docs, err := a.docs.Get(ctx, a.owner, p.Collection, []string{p.ID}, nil)
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if len(docs) == 0 {
		return nil, &call.StatusError{Status: hostapi.NotFound, Message: "there is no " + strconv.Quote(p.ID)}
	}
	return docs[0].Body, nil
}

// WriteTo writes the body. After an error the answer is incomplete, and the
// connection must not be used for another one.
func (a *Answer) WriteTo(ctx context.Context, w io.Writer) error {
	for i := range a.parts {
		if err := a.writePart(ctx, w, &a.parts[i]); err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
	}
	return nil
}

func (a *Answer) writePart(ctx context.Context, w io.Writer, p *wire.Part) error {
	switch {
	case p.Document != nil:
		body := a.first
		if body == nil {
			var err error
			if body, err = a.document(ctx, p.Document); err != nil {
				return err
			}
		}
		_, err := w.Write(body)
		return err
	case p.Range != nil:
		return a.writeRange(ctx, w, p.Range)
	case p.Blob != nil:
		return a.writeFile(ctx, w, p.Blob)
	}
	_, err := w.Write(p.Data)
	return err
}

// writeRange writes the bodies that the query finds. Its limit bounds the whole;
// 0 is no bound.
func (a *Answer) writeRange(ctx context.Context, w io.Writer, r *wire.RangePart) error {
	q := r.Query
	dq := store.DocQuery{
		Collection: q.Collection, Index: q.Index, From: q.From, To: q.To, Descending: q.Descending, After: q.After,
	}
	if q.AsCaller {
		dq.Visible = a.visible
	}
	left, between := int(q.Limit), ""
	for {
		dq.Limit = hostapi.DefaultPage
		if left > 0 {
			dq.Limit = min(left, hostapi.DefaultPage)
		}
		page, err := a.docs.Query(ctx, a.owner, dq)
		if err != nil {
			return fmt.Errorf("read documents: %w", err)
		}
		for i := range page.Documents {
			if between != "" {
				if _, err := io.WriteString(w, between); err != nil {
					return err
				}
			}
			between = r.Separator
			if _, err := w.Write(page.Documents[i].Body); err != nil {
				return err
			}
		}
		if left > 0 {
			if left -= len(page.Documents); left <= 0 {
				return nil
			}
		}
		if page.Next == "" {
			return nil
		}
		dq.After = page.Next
	}
}
