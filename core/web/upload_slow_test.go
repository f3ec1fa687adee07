package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

// pipes is a listener whose connections are pipes, so that a test has its own time.
type pipes struct {
	made chan net.Conn
	end  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.made:
		return nc, nil
	case <-p.end:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.end:
	default:
		close(p.end)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// TestUploadPace: a sender that makes progress may take hours, one that makes none
// is cut, as is one that makes hardly any.
func TestUploadPace(t *testing.T) {
	for name, c := range map[string]struct {
		piece  int           // bytes at a time
		every  time.Duration // between two of them
		pieces int
		stall  time.Duration // before the last one
		status int           // 0: the connection is cut, or refuses before all has come
		text   string
	}{
		"an hour and a half":       {piece: 16 << 10, every: 20 * time.Second, pieces: 270, status: 200},
		"at once":                  {piece: 16 << 10, every: 0, pieces: 100, status: 200},
		"a while without anything": {piece: 16 << 10, every: time.Second, pieces: 60, stall: 25 * time.Second, status: 200},
		"nothing any more":         {piece: 16 << 10, every: time.Second, pieces: 60, stall: 35 * time.Second, status: 408, text: "too slowly"},
		"a byte a second":          {piece: 1, every: time.Second, pieces: 100_000, status: 408, text: "too slowly"},
		"nothing at all":           {pieces: 0, stall: time.Hour, status: 408, text: "too slowly"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, err := store.Open(t.Context(), store.Options{DSN: "sqlite", Dir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				defer st.Close(context.Background())
				var taken atomic.Int64
				plugins := &fakePlugins{http: func(_ context.Context, _, _ string, r *wire.HTTPRequest) (*plugin.Answer, error) {
					taken.Store(r.Blobs[0].Size)
					return textAnswer(0, "", "taken"), nil
				}}
				s := New(Options{
					Core: &fakeCore{}, Live: NewLive(), Log: slog.New(slog.DiscardHandler), Plugins: plugins, Blobs: st.Blobs(),
				})
				commit, err := s.Generation([]plugin.Routes{fence(t)})
				if err != nil {
					t.Fatal(err)
				}
				commit()
				ln := &pipes{make(chan net.Conn), make(chan struct{})}
				if err := s.serve(&listener{name: adminListener, addr: ln.Addr()}, ln); err != nil {
					t.Fatal(err)
				}
				nc, theirs := net.Pipe()
				defer nc.Close()
				ln.made <- theirs
				size := c.piece * c.pieces
				if size == 0 {
					size = 1
				}
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					fmt.Fprintf(nc, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", uploadPath, size)
					piece := strings.Repeat("x", c.piece)
					for i := range c.pieces {
						time.Sleep(c.every)
						if i == c.pieces-1 {
							time.Sleep(c.stall)
						}
						if _, err := io.WriteString(nc, piece); err != nil {
							return // refused
						}
					}
				}()
				began := time.Now()
				resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(resp.Body)
				if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				took := time.Since(began)
				nc.Close()
				<-sent
				if resp.StatusCode != c.status || !strings.Contains(string(text), c.text) {
					t.Errorf("after %v: got %s %s, want %d %s", took, resp.Status, text, c.status, c.text)
				}
				want := int64(0)
				if c.status == 200 {
					want = int64(size)
				}
				if got := taken.Load(); got != want {
					t.Errorf("the plugin got %d bytes, want %d", got, want)
				}
				if c.status != 200 && took > 3*time.Minute+c.every*time.Duration(c.pieces)/1000 {
					t.Errorf("cut after %v", took)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
