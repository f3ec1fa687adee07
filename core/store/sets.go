package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
)

// groupSet is an interned set; Members holds its groups in rising order, with
// commas, so equal sets have equal texts.
type groupSet struct {
	bun.BaseModel `bun:"table:group_sets,alias:group_set"`

	ID      hostapi.SetID `bun:",pk"`
	Members string
}

// LoadSets gives all interned group sets, the groups of each in rising order.
func (s *Store) LoadSets(ctx context.Context) (map[hostapi.SetID][]hostapi.GroupID, error) {
	var rows []groupSet
	err := s.state.with(ctx, s.state.read, func(c bun.Conn) error {
		rows = rows[:0]
		return c.NewSelect().Model(&rows).Scan(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("load group sets: %w", err)
	}
	sets := make(map[hostapi.SetID][]hostapi.GroupID, len(rows))
	for _, r := range rows {
		members, err := parseMembers(r.Members)
		if err != nil {
			return nil, fmt.Errorf("load group set %d: %w", r.ID, err)
		}
		sets[r.ID] = members
	}
	return sets, nil
}

// SaveSet stores the set id. Storing it again changes nothing; another set with
// the same id, or the same groups under another id, is a conflict: ids are
// given once, and equal sets have one id.
func (s *Store) SaveSet(ctx context.Context, id hostapi.SetID, members []hostapi.GroupID) error {
	groups := slices.Clone(members)
	slices.Sort(groups)
	groups = slices.Compact(groups)
	if id < 1 {
		return invalidf("group set %d: ids begin at 1", id)
	}
	if len(groups) == 0 || groups[0] < 1 {
		return invalidf("group set %d: needs groups, with ids from 1", id)
	}
	want := groupSet{ID: id, Members: formatMembers(groups)}
	var found []groupSet
	err := s.state.with(ctx, s.state.write, func(c bun.Conn) error {
		found = found[:0]
		if _, err := c.NewInsert().Model(&want).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
			return err
		}
		return c.NewSelect().Model(&found).Where("id = ? OR members = ?", want.ID, want.Members).Scan(ctx)
	})
	if err != nil {
		return fmt.Errorf("save group set %d: %w", id, err)
	}
	for _, f := range found {
		if f != want {
			return &Error{Code: Conflict, Msg: fmt.Sprintf("save group set %d as %s: set %d is %s", id, want.Members, f.ID, f.Members)}
		}
	}
	return nil
}

func formatMembers(groups []hostapi.GroupID) string {
	var b []byte
	for i, g := range groups {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(g), 10)
	}
	return string(b)
}

func parseMembers(s string) ([]hostapi.GroupID, error) {
	var groups []hostapi.GroupID
	for f := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseInt(f, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("group %q: not a number", f)
		}
		groups = append(groups, hostapi.GroupID(n))
	}
	return groups, nil
}
