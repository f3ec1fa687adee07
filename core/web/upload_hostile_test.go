package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

// dialled is a connection on which a test writes what it likes.
type dialled struct {
	t  testing.TB
	nc net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, url string) *dialled {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &dialled{t, nc, bufio.NewReader(nc)}
}

// write writes as far as the server takes it.
func (d *dialled) write(text string) { _, _ = io.WriteString(d.nc, text) }

// answer reads an answer, also one that only says to go on.
func (d *dialled) answer() (status int, closes bool, text string) {
	d.t.Helper()
	resp, err := http.ReadResponse(d.in, nil)
	if err != nil {
		d.t.Fatalf("no answer: %v", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatalf("answer %s: %v", resp.Status, err)
	}
	return resp.StatusCode, resp.Close, string(b)
}

// uploadHead is the header of an upload, without what says how long it is.
func uploadHead(token string, lines ...string) string {
	head := "POST " + uploadPath + " HTTP/1.1\r\nHost: h\r\n"
	if token != "" {
		head += "Authorization: Bearer " + token + "\r\n"
	}
	for _, l := range lines {
		head += l + "\r\n"
	}
	return head + "\r\n"
}

func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

const formType = "Content-Type: multipart/form-data; boundary="

// TestUploadLengths: what a request says of its length, and what comes.
func TestUploadLengths(t *testing.T) {
	part := "--x\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\nabc\r\n--x--\r\n"
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d", n) }
	f := newFiles(t, 1000, store.Options{})
	for name, c := range map[string]struct {
		lines  []string
		body   string
		cut    bool // the client says that it sends no more
		status int
		text   string
		files  []string // that the plugin got
	}{
		"right":                        {lines: []string{length(5)}, body: "hello", status: 200, files: []string{"hello"}},
		"none at all":                  {body: "hello", status: 200, files: []string{""}}, // there is no body then
		"longer than said":             {lines: []string{length(4)}, body: "hello", status: 200, files: []string{"hell"}},
		"shorter than said":            {lines: []string{length(6)}, body: "hello", cut: true, status: 400, text: "did not come whole"},
		"said twice":                   {lines: []string{length(5), length(6)}, body: "hello", status: 400},
		"below zero":                   {lines: []string{length(-1)}, body: "hello", status: 400},
		"no number":                    {lines: []string{"Content-Length: 5 " + "x"}, body: "hello", status: 400},
		"beyond any":                   {lines: []string{"Content-Length: 99999999999999999999"}, body: "hello", status: 400},
		"larger than allowed, said":    {lines: []string{length(1001)}, status: 413, text: "larger than 1000 bytes"},
		"most that is allowed":         {lines: []string{length(1000)}, body: strings.Repeat("x", 1000), status: 200, files: []string{strings.Repeat("x", 1000)}},
		"chunked":                      {lines: []string{"Transfer-Encoding: chunked"}, body: chunk("hel") + chunk("lo") + "0\r\n\r\n", status: 200, files: []string{"hello"}},
		"chunked with trailers":        {lines: []string{"Transfer-Encoding: chunked", "Trailer: X-A"}, body: chunk("hello") + "0\r\nX-A: b\r\n\r\n", status: 200, files: []string{"hello"}},
		"chunked, without an end":      {lines: []string{"Transfer-Encoding: chunked"}, body: chunk("hello"), cut: true, status: 400, text: "did not come whole"},
		"chunked, cut in the last one": {lines: []string{"Transfer-Encoding: chunked"}, body: chunk("hello") + "0\r\n", cut: true, status: 400, text: "did not come whole"},
		"chunked, too large":           {lines: []string{"Transfer-Encoding: chunked"}, body: chunk(strings.Repeat("x", 1001)) + "0\r\n\r\n", status: 413, text: "larger than 1000 bytes"},
		"chunked badly":                {lines: []string{"Transfer-Encoding: chunked"}, body: "zz\r\nhello\r\n0\r\n\r\n", status: 400, text: "did not come whole"},
		"chunked and said":             {lines: []string{length(3), "Transfer-Encoding: chunked"}, body: chunk("hello") + "0\r\n\r\n", status: 200, files: []string{"hello"}},
		"another encoding":             {lines: []string{"Transfer-Encoding: gzip, chunked"}, body: chunk("hello") + "0\r\n\r\n", status: 501},
		"form":                         {lines: []string{formType + "x", length(len(part))}, body: part, status: 200, files: []string{"abc"}},
		"form, chunked":                {lines: []string{formType + "x", "Transfer-Encoding: chunked"}, body: chunk(part[:30]) + chunk(part[30:]) + "0\r\n\r\n", status: 200, files: []string{"abc"}},
		"form with a little behind it": {lines: []string{formType + "x", length(len(part) + 100)}, body: part + strings.Repeat("\n", 100), status: 200, files: []string{"abc"}},
		"form with much behind it":     {lines: []string{formType + "x", length(len(part) + 2*formTail)}, body: part + strings.Repeat("\n", 2*formTail), status: 400, text: "goes on behind"},
		"form, cut behind its end":     {lines: []string{formType + "x", length(len(part) + 100)}, body: part, cut: true, status: 400, text: "did not come whole"},
		"form, chunked, without end":   {lines: []string{formType + "x", "Transfer-Encoding: chunked"}, body: chunk(part), cut: true, status: 400, text: "did not come whole"},
		"form, far too large, said":    {lines: []string{formType + "x", length(1001 + formRoom)}, status: 413, text: "larger than 1000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			d := dial(t, f.url)
			d.write(uploadHead(testToken, c.lines...) + c.body)
			if c.cut {
				if err := d.nc.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
			}
			status, closes, text := d.answer()
			if status != c.status || !strings.Contains(text, c.text) {
				t.Errorf("got %d %s, want %d …%s…", status, text, c.status, c.text)
			}
			if status >= 400 && !closes {
				t.Error("the connection is kept after a refusal")
			}
			f.got(t, c.files)
		})
	}
}

// got checks that the plugin got files of that content, and that the store has no
// others than plugins ever got; nil: that it was not asked.
func (f *files) got(t testing.TB, want []string) {
	t.Helper()
	var have []string
	select {
	case r := <-f.asked:
		for _, b := range r.Blobs {
			have = append(have, f.read(t, b.Hash))
			f.taken[b.Hash] = true
		}
	default:
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("files of the plugin (-want +got):\n%.2000s", diff)
	}
	for _, name := range f.left(t) {
		if !f.taken[name] {
			t.Errorf("the store has %s, which no plugin got", name)
		}
	}
}

// TestUploadExpect: a client that asks before it sends is told to go on only when
// it may, and there is room.
func TestUploadExpect(t *testing.T) {
	const expect = "Expect: 100-continue"
	for name, c := range map[string]struct {
		token  string
		lines  []string
		quota  int64
		free   uint64
		status int // 100: it is to go on
		text   string
	}{
		"may":                    {testToken, []string{"Content-Length: 5"}, 0, 0, 100, ""},
		"may, chunked":           {testToken, []string{"Transfer-Encoding: chunked"}, 0, 0, 100, ""},
		"who is it":              {"", []string{"Content-Length: 5"}, 0, 0, 401, ""},
		"somebody else":          {"wrong", []string{"Content-Length: 5"}, 0, 0, 401, ""},
		"too large":              {testToken, []string{"Content-Length: 1001"}, 0, 0, 413, "larger than 1000 bytes"},
		"form, too large":        {testToken, []string{fmt.Sprintf("Content-Length: %d", 1001+formRoom), formType + "x"}, 0, 0, 413, "larger than 1000 bytes"},
		"more than the quota":    {testToken, []string{"Content-Length: 600"}, 500, 0, 507, "limits.files"},
		"more than the disk has": {testToken, []string{"Content-Length: 5"}, 0, 1 << 20, 507, "no room"},
		"boundary of 2 KiB":      {testToken, []string{"Content-Length: 5", formType + strings.Repeat("b", 2048)}, 0, 0, 400, "boundary"},
	} {
		t.Run(name, func(t *testing.T) {
			opt := store.Options{Blobs: store.BlobOptions{Quota: c.quota}}
			if c.free > 0 {
				opt.FreeDisk = func(string) (uint64, uint64, error) { return c.free, 100 << 30, nil }
			}
			f := newFiles(t, 1000, opt)
			d := dial(t, f.url)
			d.write(uploadHead(c.token, append(c.lines, expect)...))
			status, closes, text := d.answer()
			if status != c.status || !strings.Contains(text, c.text) {
				t.Fatalf("got %d %s, want %d …%s…", status, text, c.status, c.text)
			}
			if status != 100 {
				if !closes {
					t.Error("the connection is kept after a refusal")
				}
				f.got(t, nil)
				return
			}
			body := "hello"
			if strings.Contains(name, "chunked") {
				body = chunk(body) + "0\r\n\r\n"
			}
			d.write(body)
			if status, _, text := d.answer(); status != 200 {
				t.Errorf("then got %d %s", status, text)
			}
			f.got(t, []string{"hello"})
		})
	}
}

// TestUploadParts: forms that are odd, or meant to hurt.
func TestUploadParts(t *testing.T) {
	file := func(head, content string) string {
		return "--x\r\n" + head + "\r\n\r\n" + content + "\r\n"
	}
	const disposition = "Content-Disposition: form-data; name=a; filename=a"
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	f := newFiles(t, 1<<20, store.Options{})
	border := strings.Repeat("B", 1<<10)
	for name, c := range map[string]struct {
		boundary string // else x
		body     string
		status   int
		text     string
		blobs    []wire.BlobRef
		form     []wire.Pair
	}{
		"no name, no file name": {body: file("Content-Type: text/plain", "abc"), status: 200,
			blobs: []wire.BlobRef{{Hash: hashOf("abc"), Size: 3, ContentType: "text/plain"}}},
		"no headers": {body: file("", "abc")[:5] + "\r\nabc\r\n", status: 200, blobs: []wire.BlobRef{{Hash: hashOf("abc"), Size: 3}}},
		"empty names": {body: file(`Content-Disposition: form-data; name=""; filename=""`, "abc"), status: 200,
			blobs: []wire.BlobRef{{Hash: hashOf("abc"), Size: 3}}},
		"a disposition that is none": {body: file("Content-Disposition: ;;;", "abc"), status: 200, blobs: []wire.BlobRef{{Hash: hashOf("abc"), Size: 3}}},
		"a form without parts":       {body: "", status: 200},
		"names of 10 kB": {body: file("Content-Disposition: form-data; name=a; filename="+strings.Repeat("n", 10_000), "abc"), status: 200,
			blobs: []wire.BlobRef{{Hash: hashOf("abc"), Size: 3, Name: strings.Repeat("n", 512)}}},
		"a boundary of 1 KiB": {boundary: border, body: "--" + border + "\r\n" + disposition + "\r\n\r\nabc\r\n--" + border + "--\r\n", status: 200,
			blobs: []wire.BlobRef{{Hash: hashOf("abc"), Size: 3, Name: "a"}}},
		"a boundary of 60 KiB":   {boundary: strings.Repeat("B", 60<<10), body: "--", status: 400, text: "boundary is longer"},
		"a preamble":             {body: "To whom it may concern\r\n" + file(disposition, "abc"), status: 200, blobs: []wire.BlobRef{{Hash: hashOf("abc"), Size: 3, Name: "a"}}},
		"a preamble without end": {body: strings.Repeat("m", 2*partHead), status: 400, text: "no multipart form"},
		"one huge header":        {body: file("X-A: "+strings.Repeat("a", 2*partHead), "abc"), status: 400, text: "too large headers"},
		"headers without end":    {body: "--x\r\n" + many(20_000, func(i int) string { return fmt.Sprintf("X-%d: a\r\n", i) }), status: 400, text: "no multipart form"},
		"a header that is none":  {body: file("hello", "abc"), status: 400, text: "no multipart form"},
		"thousands of files":     {body: many(5000, func(int) string { return file(disposition, "") }), status: 400, text: "too many files"},
		"thousands of nameless":  {body: many(5000, func(int) string { return "--x\r\n\r\n\r\n" }), status: 400, text: "too many files"},
		"thousands of fields": {body: many(5000, func(i int) string { return file(fmt.Sprintf("Content-Disposition: form-data; name=f%d", i), "v") }),
			status: 400, text: "fields are too many"},
		"fields of 2 MB": {body: many(40, func(i int) string {
			return file(fmt.Sprintf("Content-Disposition: form-data; name=f%d", i), strings.Repeat("v", 50<<10))
		}), status: 400, text: "too large together"},
		"another form within": {body: file(disposition+"\r\nContent-Type: multipart/mixed; boundary=y", "--y\r\n\r\nabc\r\n--y--"), status: 200,
			blobs: []wire.BlobRef{{Hash: hashOf("--y\r\n\r\nabc\r\n--y--"), Size: 17, Name: "a", ContentType: "multipart/mixed; boundary=y"}}},
		"the boundary in the content": {body: file(disposition, "ab--x\r\n --x"), status: 200, blobs: []wire.BlobRef{{Hash: hashOf("ab--x\r\n --x"), Size: 11, Name: "a"}}},
		"line breaks of Unix": {body: "--x\nContent-Disposition: form-data; name=a; filename=a\n\nabc\n", status: 200,
			blobs: []wire.BlobRef{{Hash: hashOf("abc"), Size: 3, Name: "a"}}},
		"a header in a name": {body: file("Content-Disposition: form-data; name=a; filename=\"a\\\r\\\nX: y\"", "abc"), status: 400, text: "no multipart form"},
		"bytes in names": {body: file("Content-Disposition: form-data; name=\"\xff\"; filename=\"a\xfe\"", "abc"), status: 200,
			blobs: []wire.BlobRef{{Hash: hashOf("abc"), Size: 3, Name: "a\ufffd"}}},
		"a NUL in a name": {body: file("Content-Disposition: form-data; name=a; filename=\"a\x00b\"", "abc"), status: 400, text: "no multipart form"},
	} {
		t.Run(name, func(t *testing.T) {
			boundary := "x"
			if c.boundary != "" {
				boundary = c.boundary
			}
			body := c.body
			if c.boundary == "" && !strings.Contains(name, "without end") {
				end := "--x--\r\n"
				if strings.Contains(name, "Unix") {
					end = "--x--\n"
				}
				body += end
			}
			d := dial(t, f.url)
			d.write(uploadHead(testToken, formType+boundary, fmt.Sprintf("Content-Length: %d", len(body))) + body)
			status, _, text := d.answer()
			if status != c.status || !strings.Contains(text, c.text) {
				t.Fatalf("got %d %s, want %d …%s…", status, text, c.status, c.text)
			}
			if c.status != 200 {
				f.got(t, nil)
				return
			}
			r := <-f.asked
			for _, b := range r.Blobs {
				f.taken[b.Hash] = true
			}
			if diff := cmp.Diff(c.blobs, r.Blobs); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.form, r.Form); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}
