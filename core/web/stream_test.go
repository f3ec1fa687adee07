package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

const upgrade = "GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: CoT\r\n\r\n"

func TestStream(t *testing.T) {
	got := make(chan string, 1)
	s := newSite(t, &fakeCore{stream: func(nc net.Conn) {
		defer nc.Close()
		if _, err := io.WriteString(nc, "<hello/>"); err != nil {
			t.Error(err)
		}
		b, err := io.ReadAll(nc)
		if err != nil {
			t.Error(err)
		}
		got <- string(b)
		if _, err := io.WriteString(nc, "<bye/>"); err != nil {
			t.Error(err)
		}
	}}, 0)
	for _, c := range []struct {
		name        string
		early, late string
	}{
		{"waits for the answer", "", "<event/><event/>"},
		{"does not wait", "<event/>", "<event/>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			nc := s.dial(t)
			if _, err := io.WriteString(nc, upgrade+c.early); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(nc)
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "cot" || resp.Header.Get("Connection") != "Upgrade" {
				t.Fatalf("got %s, %v", resp.Status, resp.Header)
			}
			if _, err := io.WriteString(nc, c.late); err != nil {
				t.Fatal(err)
			}
			if err := nc.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if back, err := io.ReadAll(in); err != nil || string(back) != "<hello/><bye/>" {
				t.Errorf("got back %q, %v", back, err)
			}
			if b := <-got; b != "<event/><event/>" {
				t.Errorf("the core got %q", b)
			}
		})
	}
}

// TestStreamIsASocket shows that the core gets the socket itself, which it
// reads and writes by system calls.
func TestStreamIsASocket(t *testing.T) {
	kind := make(chan bool, 1)
	s := newSite(t, &fakeCore{stream: func(nc net.Conn) {
		_, ok := nc.(syscall.Conn)
		kind <- ok
		nc.Close()
	}}, 0)
	if _, err := io.WriteString(s.dial(t), upgrade); err != nil {
		t.Fatal(err)
	}
	if !<-kind {
		t.Error("the core gets no socket")
	}
}

func TestStreamWithoutUpgrade(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	resp, body := s.get(t, "/api/v1/stream")
	var p Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusUpgradeRequired || resp.Header.Get("Upgrade") != "cot" || p.Code != "upgrade_required" ||
		!strings.Contains(p.Detail, "Upgrade: cot") {
		t.Errorf("got %s, %v, %s", resp.Status, resp.Header, body)
	}
}

// TestCloseWaitsForStreams shows that Close gives a stream the time it has, and
// says so when one is left.
func TestCloseWaitsForStreams(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	s := newSite(t, &fakeCore{stream: func(nc net.Conn) {
		close(begun)
		<-end
		nc.Close()
	}}, 0)
	if _, err := io.WriteString(s.dial(t), upgrade); err != nil {
		t.Fatal(err)
	}
	<-begun
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 requests or streams are still under way") {
		t.Errorf("got %v", err)
	}
	close(end)
}
