package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// refuseWait is how long the server has to refuse a file before it is sent.
const refuseWait = 10 * time.Second

// upload sends a file as it is, and decodes the answer. It is not sent when the
// server refuses it by what is known before.
func (a *admin) upload(ctx context.Context, path string, f *os.File, to any) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	body := io.NopCloser(f) // whoever opened it closes it
	if info.Mode().IsRegular() && info.Size() == 0 {
		body = http.NoBody // a length of 0 would mean that it is not known
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://takhost"+path, body)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		req.ContentLength = info.Size()
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Expect", "100-continue")
	t := a.http.Transport.(*http.Transport).Clone()
	t.ExpectContinueTimeout = refuseWait
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return plainError(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return answerError(resp)
	}
	if err := decode(resp.Body, to); err != nil {
		return fmt.Errorf("it was sent, but: %w", err)
	}
	return nil
}
