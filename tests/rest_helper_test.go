package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/coder/websocket"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/scaffold"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/plugins/dist"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// features are the plugins that come with the program, and that these tests are
// about.
var features = []string{"chat", "emergency", "files"}

// builtFeatures gives them as make plugins built them, or builds them where it
// did not.
var builtFeatures = sync.OnceValues(func() (fs.FS, error) {
	files := dist.Files()
	missing := false
	for _, name := range features {
		_, err := fs.Stat(files, name+".takplugin")
		missing = missing || err != nil
	}
	if !missing {
		return files, nil
	}
	dir, err := os.MkdirTemp("", "tak")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	built := fstest.MapFS{}
	for _, name := range features {
		file := filepath.Join(dir, name+".takplugin")
		if _, err := scaffold.Build(context.Background(), scaffold.BuildOptions{Dir: filepath.Join("..", "plugins", name), Out: file}); err != nil {
			return nil, err
		}
		pkg, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		built[name+".takplugin"] = &fstest.MapFile{Data: pkg}
	}
	return built, nil
})

// needBuiltIn is for tests of the program itself, which has the plugins that were
// built before it.
func needBuiltIn(t *testing.T) {
	t.Helper()
	for _, name := range features {
		if _, err := fs.Stat(dist.Files(), name+".takplugin"); err != nil {
			t.Skip("left out: the plugins that ship with takhost (make plugins builds them)")
		}
	}
}

// compiled is the code of the plugins, compiled by the first server that ran
// them, for the others: it takes seconds with the race detector.
var compiled struct {
	sync.Mutex
	files fstest.MapFS
}

const codeFolder = "cache/wasm"

// startFeatures gives a server with the plugins that come with the program,
// active, and its REST API. yaml is as for taktest.WithPlugins.
func startFeatures(t *testing.T, yaml string, opts ...taktest.Option) (*taktest.Server, *rest) {
	t.Helper()
	files, err := builtFeatures()
	if err != nil {
		t.Fatalf("build the plugins: %v", err)
	}
	folder := taktest.Folder(t)
	code := filepath.Join(folder, filepath.FromSlash(codeFolder))
	compiled.Lock()
	defer compiled.Unlock()
	for name, f := range compiled.files {
		file := filepath.Join(code, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opts = append(opts, taktest.WithShipped(files), taktest.WithPlugins(yaml), taktest.WithConfig(func(c *config.Config) { c.Data = folder }))
	srv := taktest.Start(t, opts...)
	for _, name := range features {
		srv.Reaches(t, name, plugin.Active)
	}
	if compiled.files == nil {
		compiled.files = readAll(t, code)
	}
	return srv, &rest{t: t, data: srv.Config.Data, addr: func() string { return srv.Addr("rest") }}
}

func readAll(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	all := fstest.MapFS{}
	from := os.DirFS(dir)
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(from, name)
		all[name] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// rest asks listen.rest, as programs do.
type rest struct {
	t    *testing.T
	data string        // folder with the token
	addr func() string // it changes with a restart
	open bool          // without the token
}

// nobody is the same without a token.
func (r *rest) nobody() *rest { c := *r; c.open = true; return &c }

// in is the same in a subtest.
func (r *rest) in(t *testing.T) *rest { c := *r; c.t = t; return &c }

func (r *rest) token() string {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.data, web.TokenFile))
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

func (r *rest) header() http.Header {
	h := http.Header{}
	if !r.open {
		h.Set("Authorization", "Bearer "+r.token())
	}
	return h
}

// reply is an answer.
type reply struct {
	t      *testing.T
	what   string // for failures
	status int
	header http.Header
	body   string
}

// ask sends a request; a body is sent as contentType, or as a browser sends text.
func (r *rest) ask(method, path, contentType, body string) *reply {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), takclient.DefaultWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.addr()+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header = r.header()
	if body != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return &reply{t: r.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: string(b)}
}

func (r *rest) get(path string) *reply {
	r.t.Helper()
	return r.ask("GET", path, "", "")
}

func (r *rest) post(path, body string) *reply {
	r.t.Helper()
	return r.ask("POST", path, "application/json", body)
}

func (r *rest) del(path, body string) *reply {
	r.t.Helper()
	return r.ask("DELETE", path, "text/plain", body) // as FreeTAKServer's web UI does
}

// is checks the status.
func (a *reply) is(status int) *reply {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: got %d %s, want %d", a.what, a.status, a.body, status)
	}
	return a
}

// into reads the JSON of an answer that is fine.
func (a *reply) into(to any) {
	a.t.Helper()
	if a.status > 299 {
		a.t.Fatalf("%s: got %d %s", a.what, a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), to); err != nil {
		a.t.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
}

// update is one live update of a plugin.
type update struct {
	Type   string          `json:"type"`
	Stream string          `json:"stream"`
	Data   json.RawMessage `json:"data"`
}

// updates collects what comes live, from its beginning on.
type updates struct {
	t    *testing.T
	done chan struct{} // closed when the reader has ended

	mu      sync.Mutex // guards what follows
	list    []update
	changed chan struct{}
	err     error
}

func (r *rest) updates(read func(context.Context, func(update)) error, began <-chan struct{}) *updates {
	ctx, cancel := context.WithCancel(context.Background())
	u := &updates{t: r.t, done: make(chan struct{}), changed: make(chan struct{})}
	add := func(change func()) {
		u.mu.Lock()
		defer u.mu.Unlock()
		change()
		close(u.changed)
		u.changed = make(chan struct{})
	}
	go func() {
		defer close(u.done)
		err := read(ctx, func(one update) { add(func() { u.list = append(u.list, one) }) })
		add(func() { u.err = err })
	}()
	r.t.Cleanup(func() {
		cancel()
		<-u.done
	})
	limit := time.NewTimer(takclient.DefaultWait)
	defer limit.Stop()
	select {
	case <-began:
	case <-u.done:
		r.t.Fatalf("watch: %v", u.err)
	case <-limit.C:
		r.t.Fatal("watch: nothing came that says it has begun")
	}
	return u
}

// sse watches path by server-sent events. None that happens after its return is
// missing.
func (r *rest) sse(path string) *updates {
	r.t.Helper()
	began, addr, header := make(chan struct{}), r.addr(), r.header()
	return r.updates(func(ctx context.Context, add func(update)) error {
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+path, nil)
		if err != nil {
			return err
		}
		req.Header = header
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		in := bufio.NewReader(resp.Body)
		kind, first := "", true
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return err
			}
			if first {
				close(began)
				first = false
			}
			if text, ok := strings.CutPrefix(line, "event: "); ok {
				kind = strings.TrimSpace(text)
			}
			if text, ok := strings.CutPrefix(line, "data: "); ok {
				add(update{Type: kind, Data: json.RawMessage(text)})
				kind = ""
			}
		}
	}, began)
}

// socket is sse by WebSocket.
func (r *rest) socket(path string) *updates {
	r.t.Helper()
	began, addr, header := make(chan struct{}), r.addr(), r.header()
	return r.updates(func(ctx context.Context, add func(update)) error {
		conn, _, err := websocket.Dial(ctx, "ws://"+addr+path, &websocket.DialOptions{HTTPHeader: header})
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		for first := true; ; first = false {
			_, text, err := conn.Read(ctx)
			if err != nil {
				return err
			}
			var one update
			if err := json.Unmarshal(text, &one); err != nil {
				return err
			}
			if first {
				close(began)
				continue
			}
			add(one)
		}
	}, began)
}

// expect waits for as many updates as there are, and gives them.
func (u *updates) expect(t *testing.T, n int) []update {
	t.Helper()
	limit := time.NewTimer(takclient.DefaultWait)
	defer limit.Stop()
	for {
		u.mu.Lock()
		list, changed, err := u.list, u.changed, u.err
		u.mu.Unlock()
		if len(list) >= n {
			return list[:n:n]
		}
		if err != nil {
			t.Fatalf("live updates ended after %d of %d: %v", len(list), n, err)
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("live updates: got %d, want %d: %s", len(list), n, list)
		}
	}
}
