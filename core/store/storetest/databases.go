package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"
)

// SQLite is the DSN of the embedded database; its place is the data folder.
const SQLite = "sqlite"

// shared is the server that all tests of this process use.
var shared struct {
	sync.Mutex
	cluster *Cluster
	err     error
}

// Main runs the tests and stops the server that they shared. It gives the code
// to exit with.
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster != nil {
		if err := shared.cluster.remove(); err != nil {
			fmt.Fprintln(os.Stderr, "stop PostgreSQL:", err)
			code = max(code, 1)
		}
		shared.cluster = nil
	}
	return code
}

// Each runs fn as a subtest for every kind of database, each time with a fresh
// one.
func Each(t *testing.T, fn func(t *testing.T, dsn string)) {
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite) })
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres(t)) })
}

// Postgres gives the DSN of a fresh database, dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv("TAK_TEST_POSTGRES"); dsn != "" {
		return createDatabase(t, dsn)
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil && shared.err == nil {
		shared.cluster, shared.err = start(Config{})
	}
	if shared.err != nil {
		leaveOut(t, shared.err)
	}
	return shared.cluster.Database(t)
}

// leaveOut skips for want of a program and fails for anything else.
func leaveOut(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errMissing) {
		t.Skipf("left out: PostgreSQL: %v", err)
	}
	t.Fatalf("start PostgreSQL: %v", err)
}

// createDatabase makes a database on the server of dsn.
func createDatabase(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("TAK_TEST_POSTGRES is not a postgres URL") // the error would show its password
	}
	name := "tak_test_" + strings.ToLower(rand.Text())
	db := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(dsn)))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := db.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a database for the test: %v", err)
	}
	t.Cleanup(func() {
		defer db.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if _, err := db.ExecContext(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Logf("drop the database of the test: %v", err)
		}
	})
	u.Path = "/" + name
	return u.String()
}
