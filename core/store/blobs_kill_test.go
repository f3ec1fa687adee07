package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/store/storetest"
)

const (
	blobKillDSN = "STORE_TEST_BLOB_DSN"
	blobKillDir = "STORE_TEST_BLOB_DIR"
)

// TestKillDuringUploads kills a process that writes files: those it was told to be
// stored are there, whole; of others nothing is left that nobody knows of.
func TestKillDuringUploads(t *testing.T) {
	if os.Getenv(blobKillDSN) != "" {
		uploadForEver()
		return
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := blobOptions(t, dsn)
		told := map[string]bool{}
		for range 3 {
			child := exec.Command(os.Args[0], "-test.run=^TestKillDuringUploads$")
			child.Env = append(os.Environ(), blobKillDSN+"="+dsn, blobKillDir+"="+o.Dir)
			child.Stderr = t.Output()
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			n := 0
			for lines := bufio.NewScanner(out); lines.Scan(); {
				hash, ok := strings.CutSuffix(lines.Text(), ".")
				if !ok { // half a line
					continue
				}
				told[hash] = true
				if n++; n == 20 {
					if err := child.Process.Kill(); err != nil {
						t.Fatal(err)
					}
				}
			}
			_ = child.Wait() // it was killed
			if n < 20 {
				t.Fatalf("the child ended by itself after %d files", n)
			}
		}
		s := open(t, o)
		for hash := range told {
			if got := hashOf(readBlob(t, s, hash)); got != hash {
				t.Errorf("file %s has the content of %s", hash, got)
			}
		}
		rows := map[string]bool{}
		err := s.Plugins().list(testContext(t), func() { clear(rows) }, "SELECT hash FROM blobs", nil, func(r *sql.Rows) error {
			var hash string
			err := r.Scan(&hash)
			rows[hash] = true
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range blobFilesIn(t, o.Dir) {
			if !rows[name] {
				t.Errorf("file %s takes room and has no row", name)
			}
		}
	})
}

// uploadForEver writes files by several goroutines and prints the hashes of those
// that are stored, until it is killed.
func uploadForEver() {
	s, err := Open(context.Background(), Options{DSN: os.Getenv(blobKillDSN), Dir: os.Getenv(blobKillDir)})
	if err != nil {
		fmt.Println("open:", err)
		return
	}
	failed := make(chan error)
	for range 4 {
		go func() {
			content := make([]byte, 300_000)
			for {
				_, _ = rand.Read(content) // does not fail
				b, err := s.Blobs().Put(context.Background(), bytes.NewReader(content), BlobSpec{})
				if err != nil {
					failed <- err
					return
				}
				fmt.Printf("%s.\n", b.Hash)
			}
		}()
	}
	fmt.Println("failed:", <-failed)
}
