package store

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
)

const docPageLook = 20_000 // documents that a page looks at

// Query gives one page of documents.
func (w *Work) Query(ctx context.Context, o *Owner, q DocQuery) (DocPage, error) {
	s, err := w.newDocSearch(o, &q)
	if err != nil {
		return DocPage{}, fmt.Errorf("query documents: %w", err)
	}
	var page DocPage
	err = w.p.snapshot(ctx, func(c sqlConn) error {
		page, s.hits, s.looked = DocPage{}, nil, 0
		if q.Count {
			page.Count, err = s.count(ctx, c)
			return err
		}
		if page.Next, err = s.find(ctx, c); err != nil {
			return err
		}
		page.Documents, err = s.read(ctx, c)
		return err
	})
	if err != nil {
		return DocPage{}, fmt.Errorf("query documents: %w", err)
	}
	for i := range page.Documents {
		if d := &page.Documents[i]; d.Revision > 0 {
			w.note(docKey{s.coll.path, d.ID}, d.Revision)
		}
	}
	return page, nil
}

// snapshot runs fn on a connection that sees one moment of the database. fn may
// be run again.
func (p *Plugins) snapshot(ctx context.Context, fn func(sqlConn) error) error {
	begin := "BEGIN"
	if !p.db.sqlite {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
	}
	return p.db.with(ctx, p.db.read, func(c bun.Conn) error {
		if _, err := c.Conn.ExecContext(ctx, begin); err != nil {
			return err
		}
		err := fn(c.Conn)
		if _, rerr := c.Conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK"); rerr != nil {
			discard(c)
		}
		return err
	})
}

// docSearch is a query at work. It looks at keys and sizes first and reads the
// bodies of one page then, as a thousand documents may have 256 MiB.
type docSearch struct {
	w      *Work
	q      *DocQuery
	coll   *coll
	index  *collIndex // nil: by id
	limit  int
	after  *docPlace
	staged []docHit // in the order of the query, of what is between After and the end

	hits   []docHit
	looked int
}

// docPlace is a document's place in the order of a query; by id, key is empty.
type docPlace struct{ key, id string }

func (a docPlace) compare(b docPlace) int {
	if c := strings.Compare(a.key, b.key); c != 0 {
		return c
	}
	return strings.Compare(a.id, b.id)
}

type docHit struct {
	docPlace
	set    hostapi.SetID
	size   int64
	staged *stagedDoc // nil: stored
}

func (w *Work) newDocSearch(o *Owner, q *DocQuery) (*docSearch, error) {
	c, err := w.coll(o, q.Collection)
	if err != nil {
		return nil, err
	}
	s := &docSearch{w: w, q: q, coll: c, limit: q.Limit}
	switch {
	case q.Limit < 0 || q.Limit > hostapi.MaxPage:
		return nil, invalidf("limit %d: must be 1 to %d", q.Limit, hostapi.MaxPage)
	case q.Limit == 0:
		s.limit = hostapi.DefaultPage
	}
	if q.Index != "" {
		x, ok := c.index(q.Index)
		if !ok {
			return nil, invalidf("there is no index %q of collection %q in the manifest", q.Index, c.name)
		}
		s.index = x
	}
	if s.after, err = s.parseAfter(q.After); err != nil {
		return nil, err
	}
	for k, d := range w.docs {
		if k.coll != c.path {
			continue
		}
		if h, ok := s.stagedHit(k.id, d); ok && d.visibleTo(q.Visible) && (s.after == nil || s.before(*s.after, h.docPlace)) {
			s.staged = append(s.staged, h)
		}
	}
	slices.SortFunc(s.staged, func(a, b docHit) int {
		if q.Descending {
			a, b = b, a
		}
		return a.compare(b.docPlace)
	})
	return s, nil
}

func (d *stagedDoc) visibleTo(v Visible) bool { return v.sees(d.set) }

// before says whether a comes before b in the order of the query.
func (s *docSearch) before(a, b docPlace) bool {
	c := a.compare(b)
	return c < 0 && !s.q.Descending || c > 0 && s.q.Descending
}

// stagedHit gives the place of a staged document, if the query's range has it.
func (s *docSearch) stagedHit(id string, d *stagedDoc) (docHit, bool) {
	if d.deleted {
		return docHit{}, false
	}
	at, ok := s.place(id, d.keys)
	if !ok {
		return docHit{}, false
	}
	return docHit{at, d.set, int64(len(d.body)), d}, true
}

// place tells where a document with these keys stands in the query's range.
func (s *docSearch) place(id string, keys []storedKey) (docPlace, bool) {
	at, bound := docPlace{"", id}, id
	if s.index != nil {
		key, ok := keyIn(keys, s.index.name)
		if !ok {
			return docPlace{}, false
		}
		at.key, bound = key, key
	}
	if len(s.q.From) > 0 && bound < string(s.q.From) || len(s.q.To) > 0 && bound >= string(s.q.To) {
		return docPlace{}, false
	}
	return at, true
}

// find fills hits with one page, staged and stored documents merged, and gives
// where the next one begins.
func (s *docSearch) find(ctx context.Context, c sqlConn) (next string, err error) {
	at, end, broken := s.after, false, false
	staged := s.staged
	var stored []docHit
	size := int64(0)
	for {
		for len(stored) == 0 && !end && s.looked < docPageLook {
			var last *docPlace
			if stored, last, end, err = s.chunk(ctx, c, at); err != nil {
				return "", err
			}
			if last != nil {
				at = last
			}
		}
		if len(stored) == 0 && !end { // looked at enough: what is staged up to there, and no more
			n := 0
			for n < len(staged) && s.before(staged[n].docPlace, *at) {
				n++
			}
			staged, end, broken = staged[:n], true, true
		}
		var h docHit
		switch {
		case len(stored) > 0 && (len(staged) == 0 || s.before(stored[0].docPlace, staged[0].docPlace)):
			h, stored = stored[0], stored[1:]
		case len(staged) > 0:
			h, staged = staged[0], staged[1:]
		case broken:
			return s.formatAfter(*at), nil
		default:
			return "", nil
		}
		n := len(s.hits)
		if n == s.limit || n > 0 && !s.q.NoBodies && size+h.size > hostapi.PageBytes {
			return s.formatAfter(s.hits[n-1].docPlace), nil
		}
		size += h.size
		s.hits = append(s.hits, h)
	}
}

// chunk looks at the next stored documents behind at. Those that are staged, and
// those that the reader may not see, are left out; last is where it got.
func (s *docSearch) chunk(ctx context.Context, c sqlConn, at *docPlace) (hits []docHit, last *docPlace, end bool, err error) {
	n := s.limit + 1 - len(s.hits)
	if s.looked > 0 {
		n = max(n, 1000) // many were left out
	}
	text, args := s.statement(at, n)
	rows, err := c.QueryContext(ctx, s.w.p.db.dialect(text), args...)
	seen := 0
	err = each(rows, err, func(rows *sql.Rows) error {
		var h docHit
		var key, id sql.RawBytes
		if err := rows.Scan(&key, &id, &h.set, &h.size); err != nil {
			return err
		}
		h.key, h.id = string(key), string(id)
		seen++
		last = &docPlace{h.key, h.id}
		if s.w.docs[docKey{s.coll.path, h.id}] == nil && s.q.Visible.sees(h.set) {
			hits = append(hits, h)
		}
		return nil
	})
	s.looked += seen
	return hits, last, seen < n, err
}

// statement is the SQL of chunk. The size is that of the body, about: bodies are
// by far the most of it.
func (s *docSearch) statement(at *docPlace, n int) (string, []any) {
	way, order := ">", "ASC"
	if s.q.Descending {
		way, order = "<", "DESC"
	}
	text, args := s.where()
	var b strings.Builder
	if s.index == nil {
		b.WriteString(`SELECT '', id, "set", size FROM documents WHERE ` + text)
		if at != nil {
			b.WriteString(" AND id " + way + " ?")
			args = append(args, []byte(at.id))
		}
		b.WriteString(" ORDER BY id " + order)
	} else {
		b.WriteString(`SELECT k.key, k.id, k."set", d.size FROM ` + s.index.table() + " AS k JOIN documents AS d ON d.coll = ? AND d.id = k.id WHERE " + text)
		args = append([]any{s.coll.path}, args...)
		if at != nil {
			b.WriteString(" AND k.key " + way + "= ? AND (k.key, k.id) " + way + " (?, ?)")
			args = append(args, []byte(at.key), []byte(at.key), []byte(at.id))
		}
		b.WriteString(" ORDER BY k.key " + order + ", k.id " + order)
	}
	b.WriteString(" LIMIT ?")
	return b.String(), append(args, n)
}

func (x *collIndex) table() string {
	if x.unique {
		return "doc_unique"
	}
	return "doc_keys"
}

// where is the condition of the query's range on documents, or on k, the index.
func (s *docSearch) where() (string, []any) {
	text, col, args := "coll = ?", "id", []any{s.coll.path}
	if s.index != nil {
		text, col, args = "k.idx = ?", "k.key", []any{s.index.path}
	}
	if len(s.q.From) > 0 {
		text, args = text+" AND "+col+" >= ?", append(args, s.q.From)
	}
	if len(s.q.To) > 0 {
		text, args = text+" AND "+col+" < ?", append(args, s.q.To)
	}
	return text, args
}

// read makes documents of the hits.
func (s *docSearch) read(ctx context.Context, c sqlConn) ([]Document, error) {
	docs := make([]Document, len(s.hits))
	var ask []string
	at := make(map[string]int, len(s.hits))
	for i := range s.hits {
		h := &s.hits[i]
		if h.staged != nil {
			docs[i] = *h.staged.document(h.id)
			if s.q.NoBodies {
				docs[i].Body = nil
			}
		} else {
			ask = append(ask, h.id)
			at[h.id] = i
		}
		if s.index != nil {
			docs[i].Key = []byte(h.key)
		}
	}
	body := "body"
	if s.q.NoBodies {
		body = "NULL"
	}
	for part := range slices.Chunk(ask, pgRows) {
		args := []any{s.coll.path}
		for _, id := range part {
			args = append(args, []byte(id))
		}
		text := "SELECT id, revision, data, \"set\", modified, " + body + " FROM documents WHERE coll = ? AND id IN (?" + strings.Repeat(", ?", len(part)-1) + ")"
		rows, err := c.QueryContext(ctx, s.w.p.db.dialect(text), args...)
		err = each(rows, err, func(rows *sql.Rows) error {
			var id []byte
			var modified int64
			var d Document
			if err := rows.Scan(&id, &d.Revision, &d.Data, &d.Set, &modified, &d.Body); err != nil {
				return err
			}
			if d.Body == nil && !s.q.NoBodies {
				d.Body = []byte{}
			}
			i := at[string(id)]
			d.Collection, d.ID, d.Key, d.Modified = s.coll.name, string(id), docs[i].Key, time.UnixMicro(modified).UTC()
			docs[i] = d
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// count counts what the range has: the stored documents by their sets, without
// those that are staged, and these.
func (s *docSearch) count(ctx context.Context, c sqlConn) (uint64, error) {
	from := "documents"
	if s.index != nil {
		from = s.index.table() + " AS k"
	}
	text, args := s.where()
	var n int64
	rows, err := c.QueryContext(ctx, s.w.p.db.dialect(`SELECT "set", COUNT(*) FROM `+from+" WHERE "+text+` GROUP BY "set"`), args...)
	err = each(rows, err, func(rows *sql.Rows) error {
		var set hostapi.SetID
		var m int64
		if err := rows.Scan(&set, &m); err != nil {
			return err
		}
		if s.q.Visible.sees(set) {
			n += m
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for part := range slices.Chunk(s.w.stagedOf(s.coll), pgRows) {
		args := []any{s.coll.path}
		for _, id := range part {
			args = append(args, []byte(id))
		}
		text := "SELECT coll, id, revision, \"set\", size, keys FROM documents WHERE coll = ? AND id IN (?" + strings.Repeat(", ?", len(part)-1) + ")"
		rows, err := c.QueryContext(ctx, s.w.p.db.dialect(text), args...)
		err = each(rows, err, func(rows *sql.Rows) error {
			k, h, err := scanHead(rows)
			if _, in := s.place(k.id, h.keys); in && s.q.Visible.sees(h.set) {
				n--
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	for k, d := range s.w.docs {
		if k.coll != s.coll.path {
			continue
		}
		if _, in := s.stagedHit(k.id, d); in && d.visibleTo(s.q.Visible) {
			n++
		}
	}
	return uint64(max(n, 0)), nil
}

// sameQuery is a mark in cursors, by which one of another query is recognised.
func (s *docSearch) sameQuery() []byte {
	text := s.coll.path
	if s.index != nil {
		text = s.index.path
	}
	if s.q.Descending {
		text += " down"
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(text)) // never fails
	return h.Sum(nil)
}
