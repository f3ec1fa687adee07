package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/uptrace/bun"
)

type setting struct {
	bun.BaseModel `bun:"table:settings,alias:setting"`

	Key   string `bun:",pk"`
	Value string
}

// Setting gives a value that SetSetting stored; without one, the error has the
// code not_found.
func (s *Store) Setting(ctx context.Context, key string) (string, error) {
	row := setting{Key: key}
	err := s.state.with(ctx, s.state.read, func(c bun.Conn) error {
		return c.NewSelect().Model(&row).WherePK().Scan(ctx)
	})
	if err != nil {
		return "", fmt.Errorf("read setting %s: %w", key, err)
	}
	return row.Value, nil
}

// SetSetting stores a value; when it returns without an error, the value is on
// the disk.
func (s *Store) SetSetting(ctx context.Context, key, value string) error {
	return s.putSetting(ctx, key, value, "excluded.value")
}

// putSetting inserts the setting or, when it is there, changes its value to the
// SQL expression update.
func (s *Store) putSetting(ctx context.Context, key, value, update string) error {
	if key == "" || strings.ContainsRune(key+value, 0) {
		return invalidf("setting %q: needs a key; no text may hold a zero byte", key)
	}
	row := setting{Key: key, Value: value}
	err := s.state.with(ctx, s.state.write, func(c bun.Conn) error {
		_, err := c.NewInsert().Model(&row).On("CONFLICT (key) DO UPDATE").Set("value = " + update).Exec(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("write setting %s: %w", key, err)
	}
	return nil
}
