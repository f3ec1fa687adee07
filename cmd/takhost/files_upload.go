package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"
)

// askFirst is how long the server has to refuse an upload before it is sent.
const askFirst = 10 * time.Second

// put sends a file. It is not sent when the server refuses it by what is known
// before.
func (a *files) put(ctx context.Context, query url.Values, kind string, body io.Reader, length int64) (*sharedFile, error) {
	hash := sha256.New()
	source := &faultReader{r: body}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://takhost"+filesPath+"?"+query.Encode(), io.NopCloser(io.TeeReader(source, hash)))
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Expect", "100-continue")
	resp, err := a.uploader().Do(req)
	if err != nil {
		return nil, source.explain(plainError(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return nil, answerError(resp)
	}
	var f sharedFile
	if err := decode(resp.Body, &f); err != nil {
		return nil, err
	}
	if sent := hex.EncodeToString(hash.Sum(nil)); f.Hash != sent {
		return nil, fmt.Errorf("the server has the SHA-256 %s as file %s, and %s was sent", f.Hash, f.ID, sent)
	}
	return &f, nil
}

// faultReader tells faults of a file apart from those of the connection.
type faultReader struct {
	r     io.Reader
	fault atomic.Pointer[error] // the transport reads in a goroutine of its own
}

func (r *faultReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.fault.Store(&err)
	}
	return n, err
}

func (r *faultReader) explain(err error) error {
	if fault := r.fault.Load(); fault != nil {
		return *fault
	}
	if errors.As(err, new(*noServerError)) || errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("the connection to the server was cut, so nothing of it was kept (%w)", err)
}

func (a *files) uploader() *http.Client {
	t := a.http.Transport.(*http.Transport).Clone()
	t.ExpectContinueTimeout = askFirst
	return &http.Client{Transport: t}
}

// sizedFile is a file as long as it was when it was opened.
type sizedFile struct {
	*os.File
	left int64
}

func (f *sizedFile) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n, err := f.File.Read(p[:min(int64(len(p)), f.left)])
	f.left -= int64(n)
	if err == io.EOF && f.left > 0 {
		return n, errors.New("it got shorter while it was sent")
	}
	return n, err
}
