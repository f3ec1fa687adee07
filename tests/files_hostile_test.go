package tests

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/tests/takclient"
)

// sendRaw sends bytes to a listener without TLS, ends this side if it is to be cut, and
// reads the answer; nil if the connection ends without one.
func sendRaw(t *testing.T, addr string, cut bool, parts ...string) *reply {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	takclient.Must(t, conn.SetDeadline(time.Now().Add(takclient.DefaultWait)))
	for _, part := range parts {
		if _, err := io.WriteString(conn, part); err != nil {
			break // it is answered before its end
		}
	}
	if cut {
		_ = conn.(*net.TCPConn).CloseWrite() // the other side may have ended all of it
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) { // by what was not read any more
		t.Fatal(err)
	}
	return &reply{t: t, what: strings.SplitN(parts[0], "\r\n", 2)[0], status: resp.StatusCode, header: resp.Header, body: string(b)}
}

// treeOf lists all files of a folder that stay, but those of the store of files.
func treeOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "blobs" {
			return fs.SkipDir
		}
		if !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// keptBy gives how many files anybody can find.
func keptBy(t *testing.T, m *mover) int { t.Helper(); return len(listedFiles(t, m)) }

// Names, uids, types and hashes that want to be something else: they are cleaned, or
// refused, and reach neither headers nor folders.
func TestFilesHostileNames(t *testing.T) {
	srv := startFiles(t)
	before := treeOf(t, srv.Config.Data)
	a := askAt(t, srv.Server, "http")
	i := 0
	for name, want := range map[string]string{ // as the file is offered to be saved
		"../../etc/passwd":           "passwd",
		`..\..\windows\system.ini`:   "system.ini",
		"/etc/cron.d/job":            "job",
		"a\r\nSet-Cookie: x=1\r\n":   "aSet-Cookie: x=1",
		"a\x00b.zip":                 "ab.zip",
		`quote".zip; filename="evil`: `quote_.zip; filename=_evil`,
		"\u202egpj.exe":              "gpj.exe",
		"ü.zip":                      "ü.zip",
		strings.Repeat("n", 255):     strings.Repeat("n", 255),
	} {
		t.Run(fmt.Sprintf("name %.30q", name), func(t *testing.T) {
			i++
			content := fmt.Sprint("content ", i)
			a.in(t).ask("POST", "/Marti/sync/upload?"+url.Values{"name": {name}, "uid": {fmt.Sprint("../../", i)}}.Encode(), "text/html; charset=x", content).is(200)
			got := a.in(t).get("/Marti/sync/content?hash=" + sha(content)).is(200)
			if got.body != content {
				t.Errorf("got %q", got.body)
			}
			disposition := got.header.Get("Content-Disposition")
			if saved := savedAs(t, disposition); saved != want {
				t.Errorf("it is saved as %q by %q, want %q", saved, disposition, want)
			}
			if got.header.Get("Set-Cookie") != "" || !strings.HasPrefix(disposition, "attachment") {
				t.Errorf("got the headers %v", got.header)
			}
			if again := a.in(t).get("/Marti/sync/content?uid=" + url.QueryEscape(fmt.Sprint("../../", i))).is(200); again.body != content {
				t.Errorf("by its uid: got %q", again.body)
			}
		})
	}
	for name, query := range map[string]url.Values{
		"long name":     {"name": {strings.Repeat("n", 10_000)}},
		"long uid":      {"uid": {strings.Repeat("u", 10_000)}},
		"long creator":  {"creatorUid": {strings.Repeat("u", 10_000)}},
		"many keywords": {"keywords": {strings.Repeat("k,", 5000) + "k2"}},
		"expiration":    {"expiration": {"99999999999999999999999"}},
		"latitude":      {"latitude": {"NaN"}, "longitude": {"1"}},
		"type":          {"mimeType": {"text/html\r\nX-Evil: 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			i++
			content := fmt.Sprint("content ", i)
			r := a.in(t).ask("POST", "/Marti/sync/upload?"+query.Encode(), "text/plain", content)
			switch r.status {
			case 200: // cut, or left out
				down := a.in(t).get("/Marti/sync/content?hash=" + sha(content)).is(200)
				if down.header.Get("X-Evil") != "" || len(down.header.Get("Content-Disposition")) > 1000 || down.body != content {
					t.Errorf("got %v", down.header)
				}
			case 400:
				a.in(t).get("/Marti/sync/content?hash=" + sha(content)).is(404)
			default:
				t.Errorf("got %d %s", r.status, r.body)
			}
		})
	}
	for _, hash := range []string{
		"../../state.db", "..%2f..%2fstate.db", "%2e%2e/%2e%2e/state.db", "..\\state.db", sha("content 1")[:63], sha("content 1") + "0", strings.Repeat("g", 64),
		"%00", "*", strings.Repeat("a", 10_000), "..", ".part-gone-" + sha("content 1"),
	} {
		t.Run(fmt.Sprintf("hash %.30q", hash), func(t *testing.T) {
			for _, path := range []string{
				"/Marti/sync/content?hash=" + url.QueryEscape(hash), "/Marti/sync/content?uid=" + url.QueryEscape(hash), "/Marti/sync/missionquery?hash=" + url.QueryEscape(hash),
				"/Marti/api/sync/metadata/" + url.PathEscape(hash) + "/tool", "/Marti/api/files/" + url.PathEscape(hash), "/Marti/sync/" + url.PathEscape(hash) + "/metadata",
			} {
				if r := a.in(t).get(path); r.status != 404 && r.status != 400 {
					t.Errorf("%.80s: got %d %.100s", path, r.status, r.body)
				}
			}
			if r := a.in(t).ask("DELETE", "/Marti/sync/delete?hash="+url.QueryEscape(hash), "", ""); r.status != 404 && r.status != 400 {
				t.Errorf("delete: got %d %.100s", r.status, r.body)
			}
		})
	}
	// In capitals it is the same.
	a.get("/Marti/sync/content?hash=" + strings.ToUpper(sha("content 1"))).is(200)
	if diff := cmp.Diff(before, treeOf(t, srv.Config.Data)); diff != "" {
		t.Errorf("other files of the server:\n%s", diff)
	}
}

// savedAs gives the name of a download as a browser reads it.
func savedAs(t *testing.T, disposition string) string {
	t.Helper()
	_, star, ok := strings.Cut(disposition, "filename*=utf-8''")
	if ok {
		name, err := url.PathUnescape(star)
		if err != nil {
			t.Error(err)
		}
		return name
	}
	_, name, _ := strings.Cut(disposition, `filename="`)
	return strings.TrimSuffix(name, `"`)
}

// Requests that lie about their bodies, or break off, are answered where somebody
// listens, and leave nothing behind.
func TestFilesHostileBodies(t *testing.T) {
	srv := startFiles(t)
	addr := srv.Addr("http")
	web := askAt(t, srv.Server, "http").mover(t)
	a, b := srv.Client(t), srv.Client(t)
	const form = "Content-Type: multipart/form-data; boundary=x\r\n"
	post := func(path, headers string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n"
	}
	const upload, mission = "/Marti/sync/upload?name=h", "/Marti/sync/missionupload?filename=h.zip"
	part := "--x\r\nContent-Disposition: form-data; name=\"assetfile\"; filename=\"h.zip\"\r\n"
	pkg := packageOf(t, "hostile")
	for name, c := range map[string]struct {
		parts  []string
		status int
		want   string
		cut    bool
	}{
		"length too long":           {[]string{post(upload, "Content-Length: 100\r\n"), "short"}, 400, "whole", true},
		"length too short":          {[]string{post(upload+"&hash="+sha("all of it"), "Content-Length: 3\r\n"), "all of it"}, 400, "SHA-256", false},
		"length below zero":         {[]string{post(upload, "Content-Length: -1\r\n"), "x"}, 400, "", false},
		"length beyond int64":       {[]string{post(upload, "Content-Length: 99999999999999999999\r\n"), "x"}, 400, "", false},
		"two lengths":               {[]string{post(upload, "Content-Length: 1\r\nContent-Length: 2\r\n"), "xx"}, 400, "", false},
		"length of a PiB":           {[]string{post(upload, "Content-Length: 1125899906842624\r\n"), "x"}, 413, "400 MiB", true},
		"form of a PiB":             {[]string{post(mission, form+"Content-Length: 1125899906842624\r\n"), part + "\r\nx"}, 413, "400 MiB", true},
		"chunks without an end":     {[]string{post(upload, "Transfer-Encoding: chunked\r\n"), "3\r\nabc\r\n"}, 400, "whole", true},
		"chunk that is none":        {[]string{post(upload, "Transfer-Encoding: chunked\r\n"), "zz\r\nabc\r\n0\r\n\r\n"}, 400, "whole", false},
		"chunk of 16 EiB":           {[]string{post(upload, "Transfer-Encoding: chunked\r\n"), "fffffffffffffffff\r\nabc\r\n"}, 400, "whole", false},
		"another encoding":          {[]string{post(upload, "Transfer-Encoding: gzip\r\n"), "abc"}, 501, "", false},
		"form without an end":       {[]string{post(mission, form+"Content-Length: 80\r\n"), part + "\r\nabc"}, 400, "", true},
		"form whose end is missing": {[]string{post(mission, form+fmt.Sprintf("Content-Length: %d\r\n", len(part)+5)), part + "\r\nabc"}, 400, "no end", false},
		"form without a file":       {[]string{post(mission, form+"Content-Length: 7\r\n"), "--x--\r\n"}, 400, "no file", false},
		"form that is none":         {[]string{post(mission, form+"Content-Length: 11\r\n"), "hello world"}, 400, "", false},
		"no form":                   {[]string{post(mission, fmt.Sprintf("Content-Type: application/zip\r\nContent-Length: %d\r\n", len(pkg))), pkg}, 400, "assetfile", false},
		"boundary of 1 KiB":         {[]string{post(mission, "Content-Type: multipart/form-data; boundary="+strings.Repeat("b", 1024)+"\r\nContent-Length: 5\r\n"), "hello"}, 400, "", false},
		"part with huge headers":    {[]string{post(mission, form+"Content-Length: 200000\r\n"), part + "X-Huge: " + strings.Repeat("h", 199_000) + "\r\n\r\nabc\r\n--x--\r\n"}, 400, "headers", true},
		"thousands of parts":        {[]string{post(mission, form+"Content-Length: 640000\r\n"), strings.Repeat(part+"\r\n\r\n", 8000)}, 400, "too many", true},
		"huge headers":              {[]string{"POST " + upload + " HTTP/1.1\r\nHost: localhost\r\nX-Huge: ", strings.Repeat("h", 200<<10), "\r\n\r\n"}, 431, "", false},
		"huge query":                {[]string{"POST " + upload + "&x=" + strings.Repeat("q", 200<<10) + " HTTP/1.1\r\nHost: localhost\r\n\r\n"}, 431, "", false},
		"header with a line end":    {[]string{"POST " + upload + "\r\nX: y HTTP/1.1\r\nHost: localhost\r\n\r\n"}, 400, "", false},
		"cut in the head":           {[]string{"POST " + upload + " HTTP/1.1\r\nHost: loc"}, 400, "", true},
		"cut in a part":             {[]string{post(mission, form+"Content-Length: 5000000\r\n"), part + "\r\n" + strings.Repeat("a", 3<<20)}, 400, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := sendRaw(t, addr, c.cut, c.parts...)
			if r == nil {
				t.Fatalf("got no answer, want %d", c.status)
			}
			if r.is(c.status); !strings.Contains(r.body, c.want) {
				t.Errorf("got %s, want %q in it", r.body, c.want)
			}
			if c.want != "" {
				martiError(t, r)
			}
		})
	}
	if n := keptBy(t, web); n != 0 {
		t.Errorf("%d files were kept", n)
	}
	eventually(t, "no half files", func() bool {
		return !slices.ContainsFunc(filesIn(t, srv.Config.Data), func(name string) bool { return strings.Contains(name, "part") })
	})
	send(t, a, b, "b-x-hostile", 1)
}

// martiError wants the form of errors that Marti's clients read.
func martiError(t *testing.T, r *reply) {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal([]byte(r.body), &e); err != nil {
		t.Errorf("the error is no JSON: %v in %q", err, r.body)
	}
	if e["message"] == nil && e["detail"] == nil {
		t.Errorf("the error has the fields %v", slices.Collect(maps.Keys(e)))
	}
}

// A sender that is slow is let go on, and nobody waits for him.
func TestFilesSlowSender(t *testing.T) {
	srv := startFiles(t)
	c := content{1, 200}
	var conns []net.Conn
	for range 20 {
		conn, err := net.Dial("tcp", srv.Addr("http"))
		takclient.Must(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /Marti/sync/upload?name=slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", c.size)
		takclient.Must(t, err)
		conns = append(conns, conn)
	}
	all, err := io.ReadAll(c.reader())
	takclient.Must(t, err)
	w := relayBeside(t, srv.Server)
	others := srv.as(t, srv.anna).mover(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i, b := range all { // a byte each, at a pace
		<-tick.C
		for _, conn := range conns {
			_, err := conn.Write([]byte{b})
			takclient.Must(t, err)
		}
		if i%20 == 0 {
			began := time.Now()
			if _, err := others.put("fast", content{uint64(100 + i), 300_000}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("another upload took %v", took)
			}
		}
	}
	w.unharmed(t)
	for _, conn := range conns {
		takclient.Must(t, conn.SetReadDeadline(time.Now().Add(takclient.DefaultWait)))
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		takclient.Must(t, err)
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(b), c.hash()) {
			t.Errorf("the slow upload: got %d %s, %v", resp.StatusCode, b, err)
		}
	}
}

// beside is a relay of events beside other work, which is to disturb it not.
type beside struct {
	delays
	before time.Duration
	quit   chan struct{}
	done   chan error
	seen   *takclient.Client
}

func relayBeside(t *testing.T, srv loadTarget) *beside {
	t.Helper()
	r := &beside{quit: make(chan struct{}), done: make(chan error, 1)}
	r.seen = srv.Client(t, takclient.WithoutLog(), takclient.WithWatch(r.saw))
	from := srv.Client(t, takclient.WithoutLog())
	go func() { r.done <- publish(from, 200, 200, r.quit) }()
	r.more(t, 200)
	r.before, _ = r.take()
	return r
}

func (r *beside) more(t *testing.T, n int) {
	t.Helper()
	want := r.seen.Counts().Events + n
	r.seen.ExpectCounts(t, "events beside", func(c takclient.Counts) bool { return c.Events >= want })
}

// unharmed ends it, and holds what was meanwhile against what was before.
func (r *beside) unharmed(t *testing.T) {
	t.Helper()
	during := r.end(t)
	most := max(5*r.before, 100*time.Millisecond)
	if raceDetector {
		most *= 10
	}
	if during > most {
		t.Errorf("p99 of events: got %v, it was %v before", during, r.before)
	}
}

// end ends it and gives the p99 of what was meanwhile.
func (r *beside) end(t *testing.T) time.Duration {
	t.Helper()
	r.more(t, 20)
	during, n := r.take()
	close(r.quit)
	takclient.Must(t, <-r.done)
	t.Logf("p99 of %d events beside it %v, before %v", n, during, r.before)
	return during
}
