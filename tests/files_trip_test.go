package tests

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin"
)

// ways are those in which clients send a file. chunked is without a Content-Length,
// nameless a part without a file name: node-tak sends both (spec/client-quirks.md).
var ways = []struct {
	name, method, path string
	form, nameless     bool
	chunked            bool
}{
	{name: "raw", method: "POST", path: "/Marti/sync/upload"},
	{name: "raw chunked", method: "POST", path: "/Marti/sync/upload", chunked: true},
	{name: "form", method: "POST", path: "/Marti/sync/upload", form: true},
	{name: "form chunked, no name", method: "POST", path: "/Marti/sync/upload", form: true, nameless: true, chunked: true},
	{name: "put", method: "PUT", path: "/Marti/sync/content"},
	{name: "put chunked", method: "PUT", path: "/Marti/sync/content", chunked: true},
	{name: "old path", method: "PUT", path: "/Marti/api/sync/upload"},
}

// receivedFile is how Marti answers an upload.
type receivedFile struct{ UID, Hash, Size, PrimaryKey string }

// round sends a content in one way and gets it back by its uid.
func (m *mover) round(t *testing.T, way int, c content) {
	t.Helper()
	w := ways[way]
	body, length, kind := c.reader(), c.size, "image/png"
	if w.form {
		body, length, kind = c.form("f.bin", w.nameless)
	}
	if w.chunked {
		length = -1
	}
	var got receivedFile
	r, err := m.send(w.method, w.path+"?name=trip.bin", kind, body, length)
	if err != nil {
		t.Fatal(err)
	}
	r.t = t
	r.is(200).into(&got)
	if want := c.hash(); got.Hash != want || got.Size != fmt.Sprint(c.size) || r.header.Get("Content-Type") != "text/json" {
		t.Fatalf("got %+v as %q, want the hash %s", got, r.header.Get("Content-Type"), want)
	}
	m.comesBack(t, "/Marti/sync/content?uid="+got.UID, c)
}

// comesBack fetches a file and asks for its head.
func (m *mover) comesBack(t *testing.T, path string, c content) {
	t.Helper()
	for _, method := range []string{"GET", "HEAD"} {
		status, head, sum, n, err := m.fetch(method, path)
		if err != nil || status != 200 {
			t.Fatalf("%s: got status %d, error %v", method, status, err)
		}
		if got := head.Get("Content-Length"); got != fmt.Sprint(c.size) || head.Get("ETag") != `"`+c.hash()+`"` || head.Get("Accept-Ranges") != "bytes" {
			t.Errorf("%s: got the headers %v, want %d bytes of %s", method, head, c.size, c.hash())
		}
		if method == "GET" && (sum != c.hash() || n != c.size) {
			t.Errorf("got %d bytes of hash %s, want %d of %s", n, sum, c.size, c.hash())
		}
	}
}

// Sizes around those of buffers and blocks, in all ways, at all listeners. Up to what
// the limit allows: TestLargestFiles.
func TestFilesUpAndDown(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	token := newToken(t, srv.Admin, "anna")
	var kept, annas []content // all, and those that anna sent
	for listener, a := range map[string]*asker{
		"http": askAt(t, srv.Server, "http"), "https": srv.as(t, srv.anna), "web": askAt(t, srv.Server, "web").token(token),
	} {
		m := a.mover(t)
		for _, size := range []int64{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 16 << 20} {
			for way := range ways {
				if size == 16<<20 && (listener != "https" || ways[way].name == "old path") {
					continue // it is the same code: time is for the rest
				}
				c := content{uint64(len(kept)), size}
				if kept = append(kept, c); listener != "http" {
					annas = append(annas, c)
				}
				t.Run(fmt.Sprintf("%s %s %d bytes", listener, ways[way].name, size), func(t *testing.T) { m.round(t, way, c) })
			}
		}
	}

	// What was said to be there is there after a restart.
	srv.Restart(t)
	srv.Reaches(t, "files", plugin.Active)
	web := askAt(t, srv.Server, "web").token(token).mover(t)
	for _, c := range annas[len(annas)-20:] {
		web.comesBack(t, "/Marti/sync/content?hash="+c.hash(), c)
	}
}

// Parts of files, as clients with a bad network ask for them.
func TestFilesInParts(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	anna := srv.as(t, srv.anna)
	text := strings.Repeat("0123456789", 1000)
	anna.ask("POST", "/Marti/sync/upload?name=r.txt&uid=ranges", "text/plain", text).is(200)
	const path = "/Marti/sync/content?uid=ranges"
	etag := `"` + sha(text) + `"`
	last := anna.get(path).is(200).header.Get("Last-Modified")
	if _, err := http.ParseTime(last); err != nil {
		t.Fatalf("Last-Modified: %v", err)
	}
	for name, c := range map[string]struct {
		method, query string
		header        [2]string
		ifRange       string
		status        int
		want, span    string // body, Content-Range
	}{
		"range":                       {header: [2]string{"Range", "bytes=10-14"}, status: 206, want: "01234", span: "bytes 10-14/10000"},
		"one byte":                    {header: [2]string{"Range", "bytes=0-0"}, status: 206, want: "0", span: "bytes 0-0/10000"},
		"beyond the end":              {header: [2]string{"Range", "bytes=9998-99999"}, status: 206, want: "89", span: "bytes 9998-9999/10000"},
		"open":                        {header: [2]string{"Range", "bytes=9997-"}, status: 206, want: "789", span: "bytes 9997-9999/10000"},
		"last":                        {header: [2]string{"Range", "bytes=-3"}, status: 206, want: "789", span: "bytes 9997-9999/10000"},
		"last of more than all":       {header: [2]string{"Range", "bytes=-99999"}, status: 206, want: text, span: "bytes 0-9999/10000"},
		"behind the end":              {header: [2]string{"Range", "bytes=10000-"}, status: 416, span: "bytes */10000"},
		"no range":                    {header: [2]string{"Range", "bytes=5-2"}, status: 416},
		"range if it is the same":     {header: [2]string{"Range", "bytes=10-14"}, ifRange: etag, status: 206, want: "01234"},
		"range if it is of that time": {header: [2]string{"Range", "bytes=10-14"}, ifRange: last, status: 206, want: "01234"},
		"range of another file":       {header: [2]string{"Range", "bytes=10-14"}, ifRange: `"` + sha("x") + `"`, status: 200, want: text},
		"not changed":                 {header: [2]string{"If-None-Match", etag}, status: 304},
		"not changed since":           {header: [2]string{"If-Modified-Since", last}, status: 304},
		"only if it is another":       {header: [2]string{"If-Match", `"` + sha("x") + `"`}, status: 412},
		"head":                        {method: "HEAD", status: 200},
		"offset and length":           {query: "&offset=13&length=4", status: 206, want: "3456", span: "bytes 13-16/10000"},
		"offset alone":                {query: "&offset=9996", status: 206, want: "6789", span: "bytes 9996-9999/10000"},
		"length alone":                {query: "&length=2", status: 206, want: "01", span: "bytes 0-1/10000"},
		"length beyond the end":       {query: "&offset=9999&length=100", status: 206, want: "9", span: "bytes 9999-9999/10000"},
		"offset at the end":           {query: "&offset=10000", status: 416, span: "bytes */10000"},
		"offset below zero":           {query: "&offset=-1", status: 400},
		"offset that is none":         {query: "&offset=x", status: 400},
		"offset beyond all":           {query: "&offset=99999999999999999999", status: 400},
		"head of an offset":           {method: "HEAD", query: "&offset=13&length=4", status: 206, span: "bytes 13-16/10000"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.method == "" {
				c.method = "GET"
			}
			a := anna.in(t).with(func(r *http.Request) {
				if c.header[0] != "" {
					r.Header.Set(c.header[0], c.header[1])
				}
				if c.ifRange != "" {
					r.Header.Set("If-Range", c.ifRange)
				}
			})
			got := a.ask(c.method, path+c.query, "", "").is(c.status)
			if c.status < 300 && got.body != c.want {
				t.Errorf("got %d bytes %.20q, want %d %.20q", len(got.body), got.body, len(c.want), c.want)
			}
			if span := got.header.Get("Content-Range"); c.span != "" && span != c.span {
				t.Errorf("Content-Range: got %q, want %q", span, c.span)
			}
			if c.method == "HEAD" && c.status == 200 && got.header.Get("Content-Length") != "10000" {
				t.Errorf("Content-Length: got %q", got.header.Get("Content-Length"))
			}
		})
	}
	t.Run("several ranges", func(t *testing.T) {
		got := anna.in(t).with(func(r *http.Request) { r.Header.Set("Range", "bytes=0-1, 50-54,-2") }).get(path).is(206)
		kind, params, err := mime.ParseMediaType(got.header.Get("Content-Type"))
		if err != nil || kind != "multipart/byteranges" {
			t.Fatalf("got %q, %v", got.header.Get("Content-Type"), err)
		}
		form := multipart.NewReader(strings.NewReader(got.body), params["boundary"])
		for _, want := range []string{"bytes 0-1/10000 01", "bytes 50-54/10000 01234", "bytes 9998-9999/10000 89"} {
			part, err := form.NextRawPart()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(part)
			if got := part.Header.Get("Content-Range") + " " + string(b); err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
		if _, err := form.NextRawPart(); err != io.EOF {
			t.Errorf("after the last part: got %v", err)
		}
	})
	t.Run("so many ranges that it is all", func(t *testing.T) {
		ranges := bytes.Repeat([]byte("0-9999,"), 1000)
		got := anna.in(t).with(func(r *http.Request) { r.Header.Set("Range", "bytes="+string(ranges[:len(ranges)-1])) }).get(path)
		if got.status != 200 || len(got.body) != len(text) {
			t.Errorf("got %d with %d bytes, want the file once", got.status, len(got.body))
		}
	})
}
