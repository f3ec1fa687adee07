package web

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/takhost/takhost/core/store"
)

const benchFile = 400 << 20

// BenchmarkUpload compares uploads with net/http that copies to a file, without
// and with a sync of it.
func BenchmarkUpload(b *testing.B) {
	plain := func(sync bool) func(*testing.B) {
		return func(b *testing.B) {
			dir := b.TempDir()
			url := benchServer(b, func(w http.ResponseWriter, r *http.Request) {
				f, err := os.Create(filepath.Join(dir, "file"))
				if err == nil {
					defer f.Close()
					_, err = io.Copy(f, r.Body)
				}
				if err == nil && sync {
					err = f.Sync()
				}
				if err != nil {
					http.Error(w, err.Error(), 500)
				}
			})
			benchUpload(b, url)
		}
	}
	b.Run("plain", plain(false))
	b.Run("synced", plain(true))
	b.Run("store", func(b *testing.B) {
		f := newFiles(b, benchFile, store.Options{})
		benchUpload(b, f.url+uploadPath)
	})
}

func benchServer(b *testing.B, h http.HandlerFunc) (url string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(ln) }() // ends with Close
	b.Cleanup(func() { srv.Close() })
	return "http://" + ln.Addr().String()
}

func benchUpload(b *testing.B, url string) {
	b.SetBytes(benchFile)
	for i := 0; b.Loop(); i++ {
		req, err := http.NewRequest("POST", url, io.MultiReader(bytesOf(byte(i)), &endless{benchFile - 1}))
		if err != nil {
			b.Fatal(err)
		}
		req.ContentLength = benchFile
		benchDo(b, req, 0)
	}
}

func bytesOf(c byte) io.Reader { return &oneByte{c: c} }

type oneByte struct {
	c    byte
	done bool
}

func (o *oneByte) Read(p []byte) (int, error) {
	if o.done {
		return 0, io.EOF
	}
	o.done, p[0] = true, o.c
	return 1, nil
}

func benchDo(b *testing.B, req *http.Request, want int64) {
	req.Header.Set("Authorization", "Bearer "+testToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != 200 || want > 0 && n != want {
		b.Fatalf("got %s, %d bytes, error %v", resp.Status, n, err)
	}
}

func BenchmarkDownload(b *testing.B) {
	fetch := func(b *testing.B, url string) {
		b.SetBytes(benchFile)
		for b.Loop() {
			req, err := http.NewRequest("GET", url, nil)
			if err != nil {
				b.Fatal(err)
			}
			benchDo(b, req, benchFile)
		}
	}
	b.Run("plain", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "file")
		if err := os.WriteFile(path, make([]byte, benchFile), 0o600); err != nil {
			b.Fatal(err)
		}
		fetch(b, benchServer(b, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }))
	})
	b.Run("store", func(b *testing.B) {
		f := newFiles(b, benchFile, store.Options{})
		f.serves(b, string(make([]byte, benchFile)), "")
		fetch(b, f.url+downloadPath)
	})
}
