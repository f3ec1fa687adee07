package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// ask sends a request with a body in JSON and decodes the answer.
func (a *admin) ask(ctx context.Context, method, path string, body, to any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	return a.do(ctx, method, path, nil, bytes.NewReader(b), to)
}

// bytes sends a request and gives the answer as it is.
func (a *admin) bytes(ctx context.Context, method, path string, query url.Values, in io.Reader) ([]byte, error) {
	body, err := a.send(ctx, method, path, query, in)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	return b, nil
}

// all collects the pages of a list. of takes one apart.
func all[P, T any](ctx context.Context, a *admin, path string, query url.Values, of func(*P) (list []T, next string)) ([]T, error) {
	q := url.Values{"limit": {"1000"}}
	for name, values := range query {
		if len(values) > 0 && values[0] != "" {
			q[name] = values
		}
	}
	found := []T{}
	for {
		var page P
		if err := a.get(ctx, path, q, &page); err != nil {
			return nil, err
		}
		list, next := of(&page)
		found = append(found, list...)
		if next == "" {
			return found, nil
		}
		q.Set("after", next)
	}
}

// under gives the path of something that has a name, and of what is below it.
func under(path string, names ...string) string {
	for _, n := range names {
		path += "/" + url.PathEscape(n)
	}
	return path
}

// facts are what is shown of one thing, a line each.
type facts struct{ out bytes.Buffer }

// line leaves out what is empty. A name that is empty goes on with the fact
// before.
func (f *facts) line(name, text string) {
	if text != "" {
		fmt.Fprintf(&f.out, "%-12s %s\n", name, clean(text))
	}
}

func (f *facts) linef(name, format string, args ...any) { f.line(name, fmt.Sprintf(format, args...)) }

func (f *facts) lines(name string, list []string) {
	for _, s := range list {
		f.line(name, s)
		name = ""
	}
}

func (f *facts) write(std streams) error {
	_, err := f.out.WriteTo(std.out)
	return err
}

// number writes 1 device, 2 devices.
func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// said prints a line for people.
func said(std streams, format string, args ...any) error {
	_, err := fmt.Fprintln(std.out, cleanLines(strings.TrimRight(fmt.Sprintf(format, args...), "\n")))
	return err
}
