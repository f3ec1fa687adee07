package server

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
)

// at answers with a port for each open listener.
func at(ports map[string]int) func(string) net.Addr {
	return func(name string) net.Addr {
		if p, ok := ports[name]; ok {
			return &net.TCPAddr{IP: net.IPv4zero, Port: p}
		}
		return nil
	}
}

func TestReach(t *testing.T) {
	open := at(map[string]int{"tls": 8089, "https": 8443, "web": 443})
	tests := []struct {
		name   string
		public []string
		want   onboard.Reach
		web    string
		tls    string // URL of https
		fault  string
	}{
		{
			name: "a name", public: []string{"tak.example.org", "192.0.2.1"},
			want: onboard.Reach{Name: "tak.example.org", Host: "tak.example.org", Stream: 8089, API: 8443, Enrol: 443},
			web:  "https://tak.example.org", tls: "https://tak.example.org:8443",
		},
		{
			name: "ports of a router", public: []string{"tak.example.org", "tls=tak.example.org:18089", "https=other.example.org:9443"},
			want: onboard.Reach{Name: "tak.example.org", Host: "tak.example.org", Stream: 18089, API: 9443, Enrol: 443},
			web:  "https://tak.example.org", tls: "https://other.example.org:9443",
		},
		{
			name: "an IPv6 address", public: []string{"2001:db8::1"},
			want: onboard.Reach{Name: "2001:db8::1", Host: "2001:db8::1", Stream: 8089, API: 8443, Enrol: 443},
			web:  "https://[2001:db8::1]", tls: "https://[2001:db8::1]:8443",
		},
		{name: "loopback", public: []string{"localhost"}, web: "https://localhost", tls: "https://localhost:8443", fault: "no phone reaches"},
		{name: "loopback by number", public: []string{"127.0.0.2"}, web: "https://127.0.0.2", tls: "https://127.0.0.2:8443", fault: "no phone reaches"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReach(tt.public, open)
			got, err := r.reach()
			if tt.fault != "" {
				if store.CodeOf(err) != store.Unavailable || !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("got %v, want unavailable: %s", err, tt.fault)
				}
			} else if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
			if got := r.url("web", true); got != tt.web {
				t.Errorf("web: got %s, want %s", got, tt.web)
			}
			if got := r.url("https", true); got != tt.tls {
				t.Errorf("https: got %s, want %s", got, tt.tls)
			}
			if got := r.url("http", false); got != "" {
				t.Errorf("a closed listener is at %s", got)
			}
			names := r.names()
			for _, want := range []string{"localhost", "127.0.0.1", "::1"} {
				if !slices.Contains(names, want) {
					t.Errorf("the certificate is for %v, without %s", names, want)
				}
			}
		})
	}
}

// Without a name in the configuration, requests tell where they came, and the
// machine's own addresses are offered.
func TestReachUnnamed(t *testing.T) {
	r := newReach(nil, at(map[string]int{"web": 8446}))
	if got := r.url("web", true); got != "" {
		t.Errorf("got %s, want nothing", got)
	}
	found := candidates()
	for _, c := range found {
		if isLoopbackHost(c) {
			t.Errorf("loopback is offered: %s", c)
		}
		if !slices.Contains(r.names(), c) {
			t.Errorf("the certificate is not for %s", c)
		}
	}
	got, err := r.reach()
	switch {
	case err == nil && !slices.Contains(found, got.Host):
		t.Errorf("got %s, which is none of %v", got.Host, found)
	case err != nil && !strings.Contains(err.Error(), "set public in the configuration"):
		t.Errorf("got %v", err)
	}
	r.set([]string{"tak.example.org"})
	if got := r.url("web", true); got != "https://tak.example.org:8446" {
		t.Errorf("after a reload: got %s", got)
	}
}
