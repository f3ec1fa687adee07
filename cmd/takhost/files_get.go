package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"
)

type filesGetCmd struct {
	sourceFlags
	File  string `arg:"" help:"Id, SHA-256 or name of the file."`
	Out   string `short:"o" placeholder:"FILE" help:"Where to write it: a file, a folder, or - for the standard output. Without, under its own name here."`
	Force bool   `help:"Write over a file that is there."`
}

// Run fetches a file, whole or not at all.
func (c *filesGetCmd) Run(ctx context.Context, std streams) error {
	a, err := c.files()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	f, err := a.content(ctx, c.File)
	if err != nil {
		return err
	}
	m := newMeter(std, f.Name, f.Size)
	defer m.end()
	d := &download{a: a, file: f, hash: sha256.New(), meter: m, waits: resumeWaits}
	if c.Out == stdout {
		return d.run(ctx, std.out)
	}
	to := outFile{c.Out, &c.Force}
	if about, err := os.Stat(c.Out); c.Out == "" || err == nil && about.IsDir() {
		name, err := localName(f.Name)
		if err != nil {
			return err
		}
		to.path = filepath.Join(c.Out, name)
	}
	if err := to.free(); err != nil {
		return err
	}
	if err := to.fill(func(out io.Writer) error { return d.run(ctx, out) }); err != nil {
		return err
	}
	m.end()
	return said(std, "%s: %s, SHA-256 %s", to.path, f.size(), f.Hash)
}

// localName gives the name under which a file of somebody else may lie here.
func localName(name string) (string, error) {
	if name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(name, ".") || !filepath.IsLocal(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", fmt.Errorf("a file here should not be called %q: say what to call it with -o", name)
	}
	return name, nil
}

// fill writes a file by and by: it is in its place when it is whole.
func (f outFile) fill(write func(io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(f.path), ".takhost-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	if err := errors.Join(write(tmp), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if !f.forced() {
		// Rename goes over what is there, so the place is taken first.
		place, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return f.taken()
		}
		if err = errors.Join(err, place.Close()); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp.Name(), f.path); err != nil {
		if !f.forced() {
			err = errors.Join(err, os.Remove(f.path))
		}
		return err
	}
	return nil
}

// resumeWaits are the pauses before a download goes on that was cut: enough for a
// server that is started anew.
var resumeWaits = []time.Duration{time.Second / 2, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second}

// download fetches the content of a file.
type download struct {
	a     *files
	file  *sharedFile
	hash  hash.Hash // of what has come
	n     int64     // bytes that have come
	meter *meter
	waits []time.Duration // as long as nothing comes
}

// writeError is about the place where the file goes.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }

func (e *writeError) Unwrap() error { return e.err }

// run writes the file to out. Where the connection is cut it goes on.
func (d *download) run(ctx context.Context, out io.Writer) error {
	for tries := 0; ; tries++ {
		had := d.n
		err := d.some(ctx, out)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: interrupted", d.file.Name)
		}
		if d.n > had {
			tries = 0
		}
		if tries == len(d.waits) || !d.mayGoOn(err) {
			return fmt.Errorf("%s: %w", d.file.Name, err)
		}
		select {
		case <-time.After(d.waits[tries]):
		case <-ctx.Done():
		}
	}
	if d.n != d.file.Size {
		return fmt.Errorf("%s: %d bytes came, and it has %d", d.file.Name, d.n, d.file.Size)
	}
	if got := hex.EncodeToString(d.hash.Sum(nil)); got != d.file.Hash {
		return fmt.Errorf("%s: what came has the SHA-256 %s, not %s", d.file.Name, got, d.file.Hash)
	}
	return nil
}

// mayGoOn says whether it may go on later. The first answer has to be a good one.
func (d *download) mayGoOn(err error) bool {
	if d.n == 0 || errors.As(err, new(*writeError)) {
		return false
	}
	refused, away := (*refusal)(nil), (*awayError)(nil)
	return errors.As(err, &away) || !errors.As(err, &refused) || refused.status >= http.StatusInternalServerError
}

// some asks for what is missing and writes what comes of it.
func (d *download) some(ctx context.Context, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://takhost"+under(filesPath, d.file.ID, "content"), nil)
	if err != nil {
		return err
	}
	if d.n > 0 {
		if d.n == d.file.Size {
			return nil
		}
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.n))
		req.Header.Set("If-Range", `"`+d.file.Hash+`"`) // its hash is its ETag
	}
	resp, err := d.a.http.Do(req)
	if err != nil {
		if err = plainError(err); errors.As(err, new(*noServerError)) {
			return err
		}
		return d.cut(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK: // all of it, whatever was asked for
		if _, err := io.CopyN(io.Discard, resp.Body, d.n); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	case http.StatusPartialContent:
		if from := fmt.Sprintf("bytes %d-", d.n); !strings.HasPrefix(resp.Header.Get("Content-Range"), from) {
			return &writeError{fmt.Errorf("the server answered with the range %q, and %s was asked for", resp.Header.Get("Content-Range"), from)}
		}
	default:
		return d.a.explain(ctx, answerError(resp))
	}
	// One byte more tells of a file that is too long.
	_, err = io.Copy(writerFunc(func(p []byte) (int, error) {
		n, err := out.Write(p)
		d.hash.Write(p[:n])
		d.n += int64(n)
		d.meter.add(n)
		if err != nil {
			return n, &writeError{err}
		}
		return n, nil
	}), io.LimitReader(resp.Body, d.file.Size-d.n+1))
	if err == nil {
		return nil
	}
	if errors.As(err, new(*writeError)) {
		return err
	}
	return d.cut(err)
}

func (d *download) cut(err error) error {
	return fmt.Errorf("the connection to the server was cut after %d of %d bytes (%w)", d.n, d.file.Size, err)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
