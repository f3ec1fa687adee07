package web

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

// serves has the plugin answer with a file.
func (f *files) serves(t testing.TB, content, name string, header ...[2]string) {
	t.Helper()
	b, err := f.st.Blobs().Put(t.Context(), strings.NewReader(content), store.BlobSpec{})
	if err != nil {
		t.Fatal(err)
	}
	f.plugins.http = func(ctx context.Context, _, _ string, r *wire.HTTPRequest) (*plugin.Answer, error) {
		open, err := f.st.Blobs().Open(ctx, b.Hash)
		if err != nil {
			return nil, err
		}
		return &plugin.Answer{
			Status: 200, ContentType: "application/zip", Header: header, Size: b.Size, File: open, OfFile: true, FileName: name,
			Close: func() { open.Close() },
		}, nil
	}
}

const downloadPath = "/api/v1/fences/n/files/x"

func TestDownload(t *testing.T) {
	f := newFiles(t, 1, store.Options{})
	content := strings.Repeat("0123456789", 50_000)
	f.serves(t, content, "pack age.zip")
	etag := `"` + hashOf(content) + `"`
	first, text := f.send(t, "GET", downloadPath, "")
	if first.StatusCode != 200 || text != content || first.ContentLength != int64(len(content)) {
		t.Fatalf("got %s, %d bytes of %d", first.Status, len(text), first.ContentLength)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/zip", "ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache",
		"Content-Disposition": `attachment; filename="pack age.zip"`, "X-Content-Type-Options": "nosniff",
	} {
		if got := first.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	modified := first.Header.Get("Last-Modified")
	for _, c := range []struct {
		name    string
		method  string
		headers []string
		status  int
		body    string
		ranges  string
		length  int64
	}{
		{"head", "HEAD", nil, 200, "", "", 500_000},
		{"head of a range", "HEAD", []string{"Range", "bytes=0-9"}, 206, "", "bytes 0-9/500000", 10},
		{"begin", "GET", []string{"Range", "bytes=0-9"}, 206, "0123456789", "bytes 0-9/500000", 10},
		{"middle", "GET", []string{"Range", "bytes=255005-255007"}, 206, "567", "bytes 255005-255007/500000", 3},
		{"end", "GET", []string{"Range", "bytes=-3"}, 206, "789", "bytes 499997-499999/500000", 3},
		{"from", "GET", []string{"Range", "bytes=499998-"}, 206, "89", "bytes 499998-499999/500000", 2},
		{"beyond", "GET", []string{"Range", "bytes=500000-"}, 416, "invalid range: failed to overlap\n", "bytes */500000", 33},
		{"nonsense", "GET", []string{"Range", "bytes=b-a"}, 416, "invalid range\n", "", 14},
		{"known", "GET", []string{"If-None-Match", etag}, 304, "", "", 0},
		{"another known", "GET", []string{"If-None-Match", `"x"`, "Range", "bytes=1-1"}, 206, "1", "bytes 1-1/500000", 1},
		{"not modified", "GET", []string{"If-Modified-Since", modified}, 304, "", "", 0},
		{"range of another", "GET", []string{"If-Range", `"x"`, "Range", "bytes=1-1"}, 200, content, "", 500_000},
		{"range of this", "GET", []string{"If-Range", etag, "Range", "bytes=1-1"}, 206, "1", "bytes 1-1/500000", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, text := f.send(t, c.method, downloadPath, "", c.headers...)
			if resp.StatusCode != c.status || text != c.body || resp.Header.Get("Content-Range") != c.ranges {
				t.Errorf("got %s %.50q of %q, want %d %.50q of %q", resp.Status, text, resp.Header.Get("Content-Range"), c.status, c.body, c.ranges)
			}
			if c.status != 304 && resp.ContentLength != c.length {
				t.Errorf("length: got %d, want %d", resp.ContentLength, c.length)
			}
		})
	}
	t.Run("several ranges", func(t *testing.T) {
		resp, text := f.send(t, "GET", downloadPath, "", "Range", "bytes=0-1, 250000-250002, -1")
		kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if err != nil || resp.StatusCode != 206 || kind != "multipart/byteranges" {
			t.Fatalf("got %s, %s, error %v", resp.Status, kind, err)
		}
		var got []string
		for m := multipart.NewReader(strings.NewReader(text), params["boundary"]); ; {
			part, err := m.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(part)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, part.Header.Get("Content-Range")+" "+string(b))
		}
		if diff := cmp.Diff([]string{"bytes 0-1/500000 01", "bytes 250000-250002/500000 012", "bytes 499999-499999/500000 9"}, got); diff != "" {
			t.Errorf("parts (-want +got):\n%s", diff)
		}
	})
}

// A piece of a file is what the plugin says it is: the host adds no ranges to it.
func TestDownloadOfPieces(t *testing.T) {
	f := newFiles(t, 1, store.Options{})
	content := strings.Repeat("0123456789", 50_000)
	b, err := f.st.Blobs().Put(t.Context(), strings.NewReader(content), store.BlobSpec{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		method  string
		parts   []wire.BlobPart
		headers []string
		status  int
		body    string
	}{
		{name: "small", parts: []wire.BlobPart{{Offset: 5, Length: 3}}, status: 206, body: "567"},
		{name: "large", parts: []wire.BlobPart{{Offset: 1, Length: 400_001}}, status: 206, body: content[1:400_002]},
		{name: "to the end", parts: []wire.BlobPart{{Offset: 499_998}}, status: 206, body: "89"},
		{name: "more than there is", parts: []wire.BlobPart{{Offset: 499_998, Length: 1 << 40}}, status: 206, body: "89"},
		{name: "nothing at the end", parts: []wire.BlobPart{{Offset: 500_000}}, status: 206, body: ""},
		{name: "beyond the end", parts: []wire.BlobPart{{Offset: 500_001}}, status: 400},
		{name: "head", method: "HEAD", parts: []wire.BlobPart{{Offset: 5, Length: 3}}, status: 206, body: "567"},
		{name: "asked for a range", parts: []wire.BlobPart{{Offset: 5, Length: 3}}, headers: []string{"Range", "bytes=1-1"}, status: 206, body: "567"},
		{name: "known", parts: []wire.BlobPart{{Offset: 5, Length: 3}}, headers: []string{"If-None-Match", `"` + b.Hash + `"`}, status: 206, body: "567"},
		{name: "two", parts: []wire.BlobPart{{Offset: 5, Length: 3}, {Offset: 0, Length: 1}}, status: 206, body: "5670"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f.plugins.http = func(ctx context.Context, _, _ string, r *wire.HTTPRequest) (*plugin.Answer, error) {
				answer := wire.HTTPResponse{Status: 206}
				for _, p := range c.parts {
					p.Hash, p.FileName = b.Hash, "n.bin"
					answer.Parts = append(answer.Parts, wire.Part{Blob: &p})
				}
				a, err := run.NewAnswer(ctx, &answer, nil, f.st.Blobs(), &store.Owner{}, nil)
				if err != nil {
					return nil, err
				}
				return &plugin.Answer{Status: a.Status, Size: a.Size, File: a.File, OfFile: a.OfFile, FileName: a.FileName, WriteTo: a.WriteTo, Close: a.Close}, nil
			}
			method := "GET"
			if c.method != "" {
				method = c.method
			}
			resp, text := f.send(t, method, downloadPath, "", c.headers...)
			if resp.StatusCode != c.status {
				t.Fatalf("got %s %.80q, want %d", resp.Status, text, c.status)
			}
			if c.status != 206 {
				return
			}
			want := c.body
			if method == "HEAD" {
				want = ""
			}
			if text != want || resp.ContentLength != int64(len(c.body)) {
				t.Errorf("got %d bytes %.50q of length %d, want %d %.50q", len(text), text, resp.ContentLength, len(c.body), c.body)
			}
			if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="n.bin"` {
				t.Errorf("got Content-Disposition %q", got)
			}
			for _, name := range []string{"ETag", "Accept-Ranges", "Content-Range", "Last-Modified"} {
				if got := resp.Header.Get(name); got != "" {
					t.Errorf("header %s: got %q, want none", name, got)
				}
			}
		})
	}
}

func TestDownloadOfNothing(t *testing.T) {
	f := newFiles(t, 1, store.Options{})
	f.serves(t, "", "")
	resp, text := f.send(t, "GET", downloadPath, "")
	if resp.StatusCode != 200 || text != "" || resp.ContentLength != 0 || resp.Header.Get("Content-Disposition") != "attachment" {
		t.Errorf("got %s, %q, %v", resp.Status, text, resp.Header)
	}
}

// TestDownloadAsThePluginSays: its headers go before those of the file.
func TestDownloadAsThePluginSays(t *testing.T) {
	f := newFiles(t, 1, store.Options{})
	f.serves(t, "content", "n", [2]string{"Cache-Control", "public, max-age=60"}, [2]string{"ETag", `"mine"`},
		[2]string{"Content-Disposition", "inline"}, [2]string{"Last-Modified", "Sat, 01 Jan 2022 00:00:00 GMT"})
	resp, _ := f.send(t, "GET", downloadPath, "")
	got := []string{resp.Header.Get("Cache-Control"), resp.Header.Get("ETag"), resp.Header.Get("Content-Disposition"), resp.Header.Get("Last-Modified")}
	if diff := cmp.Diff([]string{"public, max-age=60", `"mine"`, "inline", "Sat, 01 Jan 2022 00:00:00 GMT"}, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	resp, _ = f.send(t, "GET", downloadPath, "", "If-Modified-Since", "Sun, 02 Jan 2022 00:00:00 GMT")
	if resp.StatusCode != http.StatusNotModified {
		t.Errorf("not modified since: got %s", resp.Status)
	}
}

func TestAttachmentNames(t *testing.T) {
	for name, want := range map[string]string{
		"a.zip":                  `attachment; filename="a.zip"`,
		"Übung 1.zip":            `attachment; filename="_bung 1.zip"; filename*=utf-8''%C3%9Cbung%201.zip`,
		"a\"; x=\"b":             `attachment; filename="a_; x=_b"`,
		"a\r\nSet-Cookie: b":     `attachment; filename="a__Set-Cookie: b"`,
		`..\..\a`:                `attachment; filename=".._.._a"`,
		"../../etc/passwd":       `attachment; filename=".._.._etc_passwd"`,
		"\xff\x00":               `attachment; filename="__"`,
		strings.Repeat("a", 300): fmt.Sprintf(`attachment; filename="%s"`, strings.Repeat("a", 300)),
	} {
		if got := attachment(name); got != want || !validHeader("Content-Disposition", got) {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
