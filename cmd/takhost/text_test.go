package main

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"ALPHA ünï 漢":        "ALPHA ünï 漢",
		"\x1b[31mred\x1b[0m": "·[31mred·[0m",
		"a\nb\tc":            "a·b·c",
		"\u202egnp.exe":      "·gnp.exe",
		"\xff\u009b":         "··",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestSpanAndSize(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 1500 * time.Millisecond: "1s", 61 * time.Second: "1m1s", 3*time.Hour + 5*time.Minute: "3h5m", 49 * time.Hour: "2d1h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v): got %s, want %s", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 2e6: "2.0 MB", 12_345_000_000: "12.3 GB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d): got %s, want %s", n, got, want)
		}
	}
	if got := shorten("äöüß", 3); got != "äö…" {
		t.Errorf("shorten: got %q", got)
	}
}

func TestReadMessage(t *testing.T) {
	in := bufio.NewReader(strings.NewReader(": comment\n\nid: 5\ndata: {\"a\":1}\n\nevent: lagging\ndata:{}\n\n: x\r\n\r\nretry: 5\n\ndata: cut"))
	var got []string
	for {
		m, err := readMessage(in)
		if err != nil {
			if err != io.ErrUnexpectedEOF {
				t.Errorf("got %v", err)
			}
			break
		}
		got = append(got, m.event+"|"+string(m.data))
	}
	if diff := cmp.Diff([]string{`|{"a":1}`, "lagging|{}"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReachable(t *testing.T) {
	addr := func(s string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, c := range []struct {
		addr     string
		want     []string // nil: those of the machine
		loopback bool
	}{
		{"127.0.0.1:8087", []string{"127.0.0.1:8087"}, true},
		{"[::1]:8087", []string{"[::1]:8087"}, true},
		{"192.0.2.1:8087", []string{"192.0.2.1:8087"}, false},
		{"0.0.0.0:8087", nil, false},
		{"[::]:8087", nil, false},
	} {
		t.Run(c.addr, func(t *testing.T) {
			got, loopback := reachable(addr(c.addr))
			if loopback != c.loopback {
				t.Errorf("loopback: got %v, want %v", loopback, c.loopback)
			}
			if c.want != nil {
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				return
			}
			if len(got) == 0 || slices.ContainsFunc(got, func(a string) bool {
				return strings.HasPrefix(a, "127.") || strings.HasPrefix(a, "[::1]") || strings.HasPrefix(a, "[fe80:") || !strings.HasSuffix(a, ":8087")
			}) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestCleanLines(t *testing.T) {
	const in, want = "the plugin crashed:\r\n\tat \x1b]0;x\x07main\n", "the plugin crashed:\n    at ·]0;x·main\n"
	if got := cleanLines(in); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
