package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/store/storetest"
)

func TestModules(t *testing.T) {
	o := options(t, storetest.SQLite)
	s := open(t, o)
	ctx := testContext(t)
	content := bytes.Repeat([]byte("wasm"), 100_000)
	hash := sha256.Sum256(content)
	want := hex.EncodeToString(hash[:])
	for range 2 {
		sum, size, err := s.PutModule(ctx, bytes.NewReader(content), int64(len(content)))
		if err != nil || sum != want || size != int64(len(content)) {
			t.Errorf("put: got %s, %d bytes, error %v, want %s", sum, size, err, want)
		}
	}
	path := filepath.Join(o.Dir, "blobs", want[:2], want[2:])
	for _, name := range []string{path, filepath.Dir(path)} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: got %v, error %v, want it to be private", name, info, err)
		}
	}
	read := func() string {
		t.Helper()
		f, err := s.OpenModule(want)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := read(); got != string(content) {
		t.Errorf("read: got %d bytes, want %d", len(got), len(content))
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.PutModule(ctx, bytes.NewReader(content), 1<<20); err != nil {
		t.Fatal(err)
	}
	if got := read(); got != string(content) {
		t.Errorf("put again over a damaged file: got %d bytes, want %d", len(got), len(content))
	}

	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, _, err := s.PutModule(ended, bytes.NewReader(content), 1<<20)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("context ended: got error %v", err)
	}
	_, _, err = s.PutModule(ctx, bytes.NewReader(content), int64(len(content))-1)
	wantCode(t, "too large", err, Limit)
	_, _, err = s.PutModule(ctx, io.MultiReader(strings.NewReader("half"), failing{}), 1<<20)
	if !errors.Is(err, errFailing) {
		t.Errorf("reader that fails: got error %v", err)
	}
	files, err := filepath.Glob(filepath.Join(o.Dir, "blobs", "*", "*"))
	half, herr := filepath.Glob(filepath.Join(o.Dir, "blobs", halfFile+"*"))
	if err != nil || herr != nil || len(files) != 1 || len(half) != 0 {
		t.Errorf("files: got %v and %v, want one and no half one", files, half)
	}

	for _, bad := range []string{"", "xyz", "../../state.db", strings.ToUpper(want), want + "0"} {
		_, err := s.OpenModule(bad)
		wantCode(t, "open "+bad, err, Invalid)
		wantCode(t, "remove "+bad, s.RemoveModule(bad), Invalid)
	}
	wantCode(t, "remove", s.RemoveModule(want), "")
	wantCode(t, "remove again", s.RemoveModule(want), "")
	_, err = s.OpenModule(want)
	wantCode(t, "open what is gone", err, NotFound)

	// A server was killed in the middle.
	left := filepath.Join(o.Dir, "blobs", halfFile+"123")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	s = open(t, o)
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half written file: got error %v, want that it is gone", err)
	}
	o.Dir = ""
	o.DSN = storetest.Postgres(t)
	s = open(t, o)
	_, _, err = s.PutModule(ctx, strings.NewReader("x"), 10)
	wantCode(t, "no data folder", err, Invalid)
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }
