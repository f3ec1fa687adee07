package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/takhost/takhost/core/web"
)

// admin speaks to a running server over its admin socket.
type admin struct {
	dir  string // data folder
	path string
	http *http.Client
}

// admin finds the server. Whether it runs shows at the first request.
func (f *sourceFlags) admin() (*admin, error) {
	loaded, err := f.load()
	if err != nil {
		return nil, err
	}
	a := &admin{dir: loaded.Data, path: filepath.Join(loaded.Data, web.AdminSocket)}
	if err := web.CheckSocketPath(a.path); err != nil {
		return nil, &usageError{err}
	}
	a.http = &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return a.dial(ctx) },
		DisableKeepAlives: true,
	}}
	return a, nil
}

func (a *admin) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTDIR):
		return nil, &noServerError{a.dir}
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("open %s: permission denied: run this as the user that runs takhost, or as root", a.path)
	}
	return nc, err
}

// noServerError says that nobody listens on the admin socket.
type noServerError struct{ dir string }

func (e *noServerError) Error() string {
	return fmt.Sprintf("no takhost is running in %s (is --data right? start it with: %s serve)", absolute(e.dir), program())
}

// open asks for path and gives the body of a good answer, to be closed.
func (a *admin) open(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	return a.send(ctx, http.MethodGet, path, query, nil)
}

// send sends a request, with a body if there is one, and gives the body of a good
// answer, to be closed.
func (a *admin) send(ctx context.Context, method, path string, query url.Values, body io.Reader) (io.ReadCloser, error) {
	kind := "application/json"
	if _, isFile := body.(*os.File); isFile {
		kind = "application/octet-stream"
	}
	return a.sendAs(ctx, method, path, query, kind, body)
}

// sendAs is send with a body of that content type. Names in path are escaped.
func (a *admin) sendAs(ctx context.Context, method, path string, query url.Values, kind string, body io.Reader) (io.ReadCloser, error) {
	u, err := url.Parse("http://takhost" + path)
	if err != nil {
		return nil, err
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, plainError(err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer resp.Body.Close()
		return nil, answerError(resp)
	}
	return resp.Body, nil
}

// get asks for path and decodes the answer into to.
func (a *admin) get(ctx context.Context, path string, query url.Values, to any) error {
	return a.do(ctx, http.MethodGet, path, query, nil, to)
}

// do sends a request and decodes the answer into to, which may be nil.
func (a *admin) do(ctx context.Context, method, path string, query url.Values, in io.Reader, to any) error {
	body, err := a.send(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if to == nil {
		return nil
	}
	return decode(body, to)
}

func decode(body io.Reader, to any) error {
	if err := json.NewDecoder(body).Decode(to); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}

// plainError takes off the URL, which says nothing on a socket.
func plainError(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// maxFaults is how many single faults of an answer are told.
const maxFaults = 20

// answerError makes an error of an answer that is one. What the server calls
// invalid came from the command line.
func answerError(resp *http.Response) error {
	var p web.Problem
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return fmt.Errorf("the server answered %s", resp.Status)
	}
	detail := strings.ReplaceAll(strings.ReplaceAll(p.Detail, "query.", "--"), "body.", "")
	if len(p.Errors) > 1 && !strings.Contains(p.Detail, p.Errors[1]) {
		detail += "\n  " + strings.Join(p.Errors[:min(len(p.Errors), maxFaults)], "\n  ")
		if more := len(p.Errors) - maxFaults; more > 0 {
			detail += fmt.Sprintf("\n  and %d more", more)
		}
	}
	refused := &refusal{p.Status, detail}
	if p.Status == http.StatusBadRequest {
		return &usageError{refused}
	}
	return refused
}

// refusal is an answer that is an error.
type refusal struct {
	status int
	detail string
}

func (e *refusal) Error() string { return e.detail }

// isStatus says whether the server answered with that status.
func isStatus(err error, status int) bool {
	refused := (*refusal)(nil)
	return errors.As(err, &refused) && refused.status == status
}

// stream opens a CoT stream to the server. What comes back is read from in.
func (a *admin) stream(ctx context.Context) (nc *net.UnixConn, in io.Reader, err error) {
	c, err := a.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if _, err := io.WriteString(c, "GET /api/v1/stream HTTP/1.1\r\nHost: takhost\r\nConnection: Upgrade\r\nUpgrade: cot\r\n\r\n"); err != nil {
		return nil, nil, fmt.Errorf("ask for a stream: %w", err)
	}
	buf := bufio.NewReader(c)
	resp, err := http.ReadResponse(buf, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for a stream: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		return nil, nil, answerError(resp)
	}
	return c.(*net.UnixConn), buf, nil
}
