package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// file is content that does not change, kept compressed.
type file struct {
	contentType string
	zipped      []byte // gzip
	etag        string // of the plain form, in quotes
	header      http.Header
}

// newFile compresses content.
func newFile(contentType string, content []byte) (*file, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return &file{contentType: contentType, zipped: b.Bytes(), etag: etagOf(content)}, nil
}

func etagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// ServeHTTP implements http.Handler.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	for name, values := range f.header {
		h[name] = values
	}
	h.Set("Content-Type", f.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache") // may be kept, and is asked for again
	h.Set("Vary", "Accept-Encoding")
	etag := f.etag
	zipped := acceptsGzip(r)
	if zipped {
		// Two forms of one content are two things with two tags (RFC 9110 8.8.3.3).
		etag = strings.TrimSuffix(etag, `"`) + `-gz"`
	}
	h.Set("ETag", etag)
	if matchesETag(r.Header.Get("If-None-Match"), f.etag, etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if zipped {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.Itoa(len(f.zipped)))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(f.zipped) // an error means that the client is gone
		return
	}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	if z, err := gzip.NewReader(bytes.NewReader(f.zipped)); err == nil {
		_, _ = io.Copy(w, z)
	}
}

func matchesETag(header string, tags ...string) bool {
	for have := range strings.SplitSeq(header, ",") {
		have = strings.TrimPrefix(strings.TrimSpace(have), "W/")
		if have == "*" {
			return true
		}
		for _, t := range tags {
			if have == t {
				return true
			}
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding as far as it matters here.
func acceptsGzip(r *http.Request) bool {
	for c := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(c), ";")
		if name = strings.TrimSpace(name); strings.EqualFold(name, "gzip") || name == "*" {
			weight, _ := strings.CutPrefix(strings.TrimSpace(q), "q=")
			n, err := strconv.ParseFloat(weight, 64)
			return weight == "" || err == nil && n > 0
		}
	}
	return false
}

// lazyFile is made when it is first asked for.
type lazyFile struct {
	contentType string
	make        func() ([]byte, error)
	log         *slog.Logger

	once sync.Once
	file *file
	err  error
}

// ServeHTTP implements http.Handler.
func (l *lazyFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.once.Do(func() {
		content, err := l.make()
		if err == nil {
			l.file, err = newFile(l.contentType, content)
		}
		l.err = err
	})
	if l.err != nil {
		l.log.Error("description cannot be written", slog.String("path", r.URL.Path), slog.Any("err", l.err))
		Failed(l.err).Write(w)
		return
	}
	l.file.ServeHTTP(w, r)
}
