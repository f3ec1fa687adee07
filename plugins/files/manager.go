package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// The official server's file manager, of which CloudTAK uses a part.

// row is a file of the manager's list, as much of it as its place there needs.
type row struct {
	id   int64
	text string // by which it is sorted
	n    int64
}

// rows gives all files that show in the manager for these parameters, the latest first.
func rows(e *eye, in params, value func(*file) row) ([]row, error) {
	f := &filter{mission: in.text("mission")}
	if in.text("missionPackage") == "true" {
		f.keywords = []*pattern{{text: packageKeyword}}
	}
	name := strings.ToLower(in.text("name"))
	if err := in.query.Err(); err != nil {
		return nil, err
	}
	var found []row
	err := e.each(f, func(x *file) (bool, error) {
		if name == "" || strings.Contains(strings.ToLower(x.name), name) {
			found = append(found, value(x))
		}
		return false, nil
	})
	return found, err
}

// filesList gives one page of them, sorted by a column: the latest is first unless
// something else is asked for.
func (p *plugin) filesList(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := r.Query()
	page, limit := in.IntOr("page", 1, sdk.Between(0, 1e6)), in.IntOr("limit", 100, sdk.Between(1, mostFound))
	by := strings.ToLower(in.TextOr("sort", ""))
	up := in.BoolOr("ascending", false)
	e := look(c)
	found, err := rows(e, paramsOf(r), column(by))
	if err != nil {
		return err
	}
	slices.SortStableFunc(found, func(a, b row) int {
		n := strings.Compare(a.text, b.text)
		if n == 0 {
			n = compare(a.n, b.n)
		}
		if !up {
			n = -n
		}
		return n
	})
	from := min((max(page, 1)-1)*limit, int64(len(found)))
	j := envelope(c, w, "java.util.Map").Array()
	to := filling{j: j}
	for some := range slices.Chunk(found[from:min(from+limit, int64(len(found)))], rowsAtOnce) {
		ids := make([]string, len(some))
		for i, x := range some {
			ids[i] = strconv.FormatInt(x.id, 10)
		}
		docs, err := c.Collection("files").GetAll(ids...)
		if err != nil {
			return err
		}
		slices.SortFunc(docs, func(a, b sdk.Document) int {
			return compare(int64(slices.Index(ids, a.ID)), int64(slices.Index(ids, b.ID)))
		})
		for i := range docs {
			f, err := parse(&docs[i])
			if err != nil {
				return err
			}
			groups, err := e.audience(f)
			if err != nil {
				return err
			}
			if f.writeRow(to.one(), groups); to.add() || len(e.names) > mostSets {
				return sdk.Limitf("limit: a page of %d files has too much in it: ask for fewer", limit)
			}
		}
	}
	return nil
}

// rowsAtOnce is how many documents are read at a time.
const rowsAtOnce = 100

// column gives what a list is sorted by. Texts count by their beginning.
func column(by string) func(*file) row {
	text := map[string]func(*file) string{
		"name": func(f *file) string { return strings.ToLower(f.name) }, "user": (*file).user, "creator": func(f *file) string { return f.creator },
		"mimetype": func(f *file) string { return f.mime }, "hash": func(f *file) string { return f.hash },
		"keywords": func(f *file) string { return joined(f.keywords) },
	}[by]
	return func(f *file) row {
		switch {
		case text != nil:
			return row{id: f.key, text: clip(text(f), 64)}
		case by == "size":
			return row{id: f.key, n: f.size}
		case by == "expiration":
			return row{id: f.key, n: f.expirySeconds()}
		}
		return row{id: f.key, n: f.added.UnixMicro()}
	}
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (p *plugin) filesCount(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	found, err := rows(look(c), paramsOf(r), func(f *file) row { return row{id: f.key} })
	if err != nil {
		return err
	}
	envelope(c, w, "java.lang.Integer").Int(int64(len(found)))
	return nil
}

func (p *plugin) filesDelete(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	e := look(c)
	found, err := e.toChange(r.Param("hash"), mostDeleted)
	if err != nil {
		return err
	}
	if err := e.remove(found...); err != nil {
		return err
	}
	envelope(c, w, "java.lang.String").Text(r.Param("hash"))
	return nil
}

// filesChange changes keywords and expiration of a content. The user stays who he is.
func (p *plugin) filesChange(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
	in := paramsOf(r)
	keywords, hasKeywords := in.list("keywords", "keyword"), in.has("keywords", "keyword")
	until := in.text("expiration")
	at := in.expiry(c.Now(), until)
	if err := r.Err(); err != nil {
		return err
	}
	found, err := look(c).toChange(r.Param("hash"), mostChanged)
	if err != nil {
		return err
	}
	err = change(c, found, func(f *file) {
		if hasKeywords {
			f.keywords = slices.Clone(keywords)
		}
		if until != "" {
			f.expires = at
		}
	})
	if err != nil {
		return err
	}
	envelope(c, w, "java.lang.String").Text(r.Param("hash"))
	return nil
}
