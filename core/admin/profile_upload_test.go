package admin_test

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/onboard"
)

// raw opens a connection and begins a request on it.
func (c *caller) raw(head string) (net.Conn, *bufio.Reader) {
	c.b.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
	c.b.must(err)
	c.b.t.Cleanup(func() { conn.Close() })
	c.b.must(conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n", head, c.header.Get("Authorization"))
	c.b.must(err)
	return conn, bufio.NewReader(conn)
}

// halves gives the names of files that are half written.
func (b *bed) halves() (names []string) {
	b.t.Helper()
	b.must(filepath.WalkDir(filepath.Join(b.dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".part-") {
			names = append(names, path)
		}
		return err
	}))
	return names
}

// TestProfileUploadRefused: what cannot be taken is refused before it is sent where
// that is possible, and leaves nothing behind.
func TestProfileUploadRefused(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	boss.do("POST", "profiles", obj{"name": "maps", "kind": "enrollment"}).is(201)
	boss.do("PUT", "profiles/maps/files/a", "good").is(200)
	for _, tt := range []struct {
		name   string
		path   string
		length int
		want   int
	}{
		{"too large", "maps/files/b", maxFile + 1, 413},
		{"no such profile", "none/files/b", 10, 404},
		{"bad name", "maps/files/..%2Fb", 10, 400},
		{"preferences too large", "maps/preferences", onboard.MostPrefsSize + 1, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, in := boss.raw("PUT /api/v1/profiles/" + tt.path)
			_, err := fmt.Fprintf(conn, "Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", tt.length)
			b.must(err)
			resp, err := http.ReadResponse(in, nil)
			b.must(err)
			resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("got %s, want %d before anything is sent", resp.Status, tt.want)
			}
		})
	}
	t.Run("goes on", func(t *testing.T) {
		conn, in := boss.raw("PUT /api/v1/profiles/maps/files/c")
		_, err := io.WriteString(conn, "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		b.must(err)
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
			t.Fatalf("got %q, error %v", line, err)
		}
		_, err = io.WriteString(conn, "hello")
		b.must(err)
		_, err = in.ReadString('\n')
		b.must(err)
		resp, err := http.ReadResponse(in, nil)
		b.must(err)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("got %s", resp.Status)
		}
	})
	t.Run("more than said", func(t *testing.T) {
		conn, in := boss.raw("PUT /api/v1/profiles/maps/files/d")
		_, err := fmt.Fprintf(conn, "Transfer-Encoding: chunked\r\n\r\n")
		b.must(err)
		go func() { // the connection is cut at some time
			for range maxFile/4096 + 10 {
				if _, err := fmt.Fprintf(conn, "1000\r\n%s\r\n", strings.Repeat("x", 4096)); err != nil {
					return
				}
			}
			_, _ = io.WriteString(conn, "0\r\n\r\n")
		}()
		resp, err := http.ReadResponse(in, nil)
		b.must(err)
		resp.Body.Close()
		if resp.StatusCode != 413 {
			t.Errorf("got %s", resp.Status)
		}
	})
	t.Run("cut", func(t *testing.T) {
		conn, in := boss.raw("PUT /api/v1/profiles/maps/files/a")
		_, err := fmt.Fprintf(conn, "Content-Length: 100\r\n\r\nhalf of it")
		b.must(err)
		b.must(conn.(*net.TCPConn).CloseWrite())
		resp, err := http.ReadResponse(in, nil)
		b.must(err)
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("got %s", resp.Status)
		}
	})
	t.Run("quota", func(t *testing.T) {
		_, bytes := b.store.Blobs().Total()
		b.store.Blobs().SetQuota(bytes + 10)
		defer b.store.Blobs().SetQuota(0)
		boss.do("PUT", "profiles/maps/files/e", strings.Repeat("e", 11)).refused(507, "limits.files")
		boss.do("PUT", "profiles/maps/preferences", obj{"key": "a value"}).refused(507, "limits.files")
		boss.do("PUT", "profiles/maps/files/e", strings.Repeat("e", 10)).is(200)
	})
	var v admin.Profile
	boss.get("profiles/maps").is(200).into(&v)
	var names []string
	for _, f := range v.Files {
		names = append(names, f.Name)
	}
	same(t, []string{"a", "c", "e"}, names)
	if got := boss.get("profiles/maps/files/a").is(200); string(got.body) != "good" {
		t.Errorf("the file that was there: got %q", got.body)
	}
	if left := b.halves(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
