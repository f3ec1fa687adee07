package openapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/takhost/takhost/hostapi/manifest"
)

// maxStatic is how large a file of a plugin may be.
const maxStatic = 64 << 20

// static registers a plugin's files.
func (b *builder) static(p *Plugin) error {
	m := p.Manifest.Static
	if m == nil {
		return nil
	}
	at := m.Path
	if at == "" {
		at = manifest.Prefix(p.Name) + "static/"
	}
	if !strings.HasSuffix(at, "/") {
		at += "/"
	}
	if strings.ContainsAny(at, "{}") {
		return fmt.Errorf("static: path %q has a parameter", at)
	}
	listeners := p.allowed(m.Listeners)
	if !belongs(b.opt.Name, listeners) {
		return nil
	}
	if p.Files == nil {
		return fmt.Errorf("static: the package has no folder %s", m.Folder)
	}
	if err := p.mayHave(at); err != nil {
		return fmt.Errorf("static: %w", err)
	}
	s := &staticFiles{fs: p.Files, index: m.Index, log: b.opt.Log}
	h := b.opt.Guard(Access{Listeners: listeners, Open: m.Open}, s)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		if err := b.add(owner{p.Name, "static", at}, listeners, method, at+"{file...}", h, false); err != nil {
			return err
		}
	}
	return nil
}

// staticFiles serves the files of a plugin. It lists no folders.
type staticFiles struct {
	fs    fs.FS
	index string
	log   *slog.Logger

	mu    sync.Mutex
	inUse map[string]*sharedFile // by name
}

// sharedFile is a file that is being sent. However many ask for it at once, it is
// in memory once: files may be open to all.
type sharedFile struct {
	users   int           // under staticFiles.mu
	ready   chan struct{} // what follows is set
	content []byte
	etag    string
	err     error
}

// use gives a file until done is called.
func (s *staticFiles) use(name string) (f *sharedFile, done func()) {
	s.mu.Lock()
	f, found := s.inUse[name]
	if !found {
		f = &sharedFile{ready: make(chan struct{})}
		if s.inUse == nil {
			s.inUse = map[string]*sharedFile{}
		}
		s.inUse[name] = f
	}
	f.users++
	s.mu.Unlock()
	if found {
		<-f.ready
	} else {
		f.load(s, name)
	}
	return f, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if f.users--; f.users == 0 {
			delete(s.inUse, name)
		}
	}
}

func (f *sharedFile) load(s *staticFiles, name string) {
	f.err = errors.New("reading the file panicked") // for those who wait, if it does
	defer close(f.ready)
	if f.content, f.err = s.read(name); f.err == nil {
		f.etag = etagOf(f.content)
	}
}

// ServeHTTP implements http.Handler.
func (s *staticFiles) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := PathParam(r, "*")
	f, done := s.use(name)
	if f.err != nil && s.index != "" && wantsPage(r, name) {
		done()
		name = s.index
		f, done = s.use(name)
	}
	defer done()
	switch {
	case errors.Is(f.err, fs.ErrNotExist):
		NewProblem(http.StatusNotFound, "there is no "+r.URL.Path).Write(w)
		return
	case f.err != nil:
		s.log.Error("file of a plugin cannot be read", slog.String("path", r.URL.Path), slog.Any("err", f.err))
		Failed(f.err).Write(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", typeOf(name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	http.ServeContent(patient{w, http.NewResponseController(w)}, r, "", time.Time{}, bytes.NewReader(f.content))
}

// sendWait is how long a client may take nothing of a file.
const sendWait = 30 * time.Second

// patient lets a file take as long as it needs while the client takes some of it.
type patient struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (p patient) Write(b []byte) (int, error) {
	if err := p.rc.SetWriteDeadline(time.Now().Add(sendWait)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// read gives a file; folders and what is no file are not there.
func (s *staticFiles) read(name string) ([]byte, error) {
	if !fs.ValidPath(name) || name == "." {
		return nil, fs.ErrNotExist
	}
	f, err := s.fs.Open(name)
	if err != nil {
		return nil, notThere(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fs.ErrNotExist
	}
	content, err := io.ReadAll(io.LimitReader(f, maxStatic+1))
	if err == nil && len(content) > maxStatic {
		err = fmt.Errorf("static file %s is larger than %d bytes", name, maxStatic)
	}
	return content, err
}

// notThere takes names that the system cannot have for names of no file.
func notThere(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrInvalid) {
		return fs.ErrNotExist
	}
	return err
}

// wantsPage says whether the index answers a path that has no file: the folder
// itself, and what a browser opens as a page of an application that keeps its
// state in the path. A script or a picture that is missing stays missing.
func wantsPage(r *http.Request, name string) bool {
	if name == "" {
		return true
	}
	return path.Ext(name) == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// types are those of files for browsers. The table of the system differs from
// one to the next, and a module with a wrong type does not run.
var types = map[string]string{
	".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".json": "application/json", ".map": "application/json", ".geojson": "application/geo+json", ".webmanifest": "application/manifest+json",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon",
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf",
	".wasm": "application/wasm", ".pdf": "application/pdf", ".zip": "application/zip",
	".txt": "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".xml": "application/xml",
	".kml": "application/vnd.google-earth.kml+xml", ".kmz": "application/vnd.google-earth.kmz",
	".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".mp4": "video/mp4", ".webm": "video/webm",
}

func typeOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t, ok := types[ext]; ok {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// PathParam gives a parameter of a route's path, decoded. The rest of a path is
// called *.
func PathParam(r *http.Request, name string) string {
	v := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return v // nothing was escaped
	}
	return unescaped(v)
}

func unescaped(v string) string {
	if u, err := url.PathUnescape(v); err == nil {
		return u
	}
	return v
}
