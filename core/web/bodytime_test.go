package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRefusedBodyIsNotAwaited sends the header of a request and none of its body.
func TestRefusedBodyIsNotAwaited(t *testing.T) {
	b := newBed(t, Options{})
	addr := strings.TrimPrefix(b.url, "http://")
	for _, head := range []string{
		"POST /api/v1/plugins/fence/enable HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n",
		"POST /ManageFence/postFence HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer token\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, head); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(nc)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%.30q: no answer before the body: %v", head, err)
		}
		if resp.StatusCode != http.StatusUnauthorized || !resp.Close {
			t.Errorf("%.30q: got %s, close %v; want 401 and the end of the connection", head, resp.Status, resp.Close)
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			t.Errorf("%.30q: the connection stays: %v", head, err)
		}
	}
}

// deadlines is a ResponseWriter that keeps the deadline of reading.
type deadlines struct {
	*httptest.ResponseRecorder
	at time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.at = t
	return nil
}

// TestBodyTime shows that a body has a deadline until it has come, and that a
// long answer has none afterwards.
func TestBodyTime(t *testing.T) {
	for _, c := range []struct {
		name string
		body io.Reader
		read int64
		left time.Duration // until the deadline; 0: there is none
	}{
		{"no body", nil, 10, 0},
		{"nobody reads it", strings.NewReader("abc"), 0, bodyWait},
		{"part of it", strings.NewReader("abc"), 2, bodyWait},
		{"all of it", strings.NewReader("abc"), 10, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
				r := httptest.NewRequest("POST", "/", c.body)
				timed(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, c.read)); err != nil {
						t.Error(err)
					}
				})).ServeHTTP(w, r)
				if left := time.Until(w.at); w.at.IsZero() != (c.left == 0) || c.left > 0 && left != c.left {
					t.Errorf("got deadline %v (in %v), want in %v", w.at, left, c.left)
				}
			})
		})
	}
}
