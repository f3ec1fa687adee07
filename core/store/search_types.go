package store

import (
	"context"
	"strings"

	"github.com/uptrace/bun"
)

// typeNames gives the stored types that match the globs; few is false when
// there are too many to look for each.
func (s *search) typeNames(ctx context.Context, c bun.Conn) (names []string, few bool, err error) {
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, g := range s.types.Globs() {
		if g.Exact() {
			add(g.String())
			continue
		}
		stored, all, err := typesWith(ctx, c, g.Prefix())
		if err != nil || !all {
			return nil, false, err
		}
		for _, name := range stored {
			if g.Match(name) {
				add(name)
			}
		}
	}
	return names, len(names) <= maxTypes, nil
}

// typesWith hops through the index from one stored type with the prefix to the
// next. all is false when there are more than it looks at.
func typesWith(ctx context.Context, c bun.Conn, prefix string) (names []string, all bool, err error) {
	const most = 4 * maxTypes
	end := prefix + "\U0010FFFF" // above every text with the prefix, byte by byte
	err = c.NewRaw(`WITH RECURSIVE hop (type) AS (
		SELECT MIN(type) FROM events WHERE type >= ? AND type < ?
		UNION ALL
		SELECT (SELECT MIN(type) FROM events WHERE type > hop.type AND type < ?) FROM hop WHERE hop.type IS NOT NULL
	) SELECT type FROM hop WHERE type IS NOT NULL LIMIT ?`, prefix, end, end, most+1).Scan(ctx, &names)
	return names, len(names) <= most, err
}

// typeClause is the condition on the type in the words of the database. The
// characters that globs may have need no escape but _ in LIKE.
func (s *search) typeClause(sqlite bool) (string, []any) {
	var or []string
	var args []any
	for _, g := range s.types.Globs() {
		switch {
		case g.Exact():
			or, args = append(or, "type = ?"), append(args, g.String())
		case sqlite:
			or, args = append(or, "type GLOB ?"), append(args, g.String())
		default:
			or = append(or, "type LIKE ?")
			args = append(args, strings.NewReplacer("_", `\_`, "*", "%").Replace(g.String()))
		}
	}
	return "(" + strings.Join(or, " OR ") + ")", args
}
