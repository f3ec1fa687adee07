package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExposure(t *testing.T) {
	tests := []struct {
		name     string
		file     string
		want     Listen
		warnings []string // a part of each, in order
	}{
		{
			name: "local",
			want: Listen{TCP: "127.0.0.1:8087", TLS: "0.0.0.0:8089", HTTP: "127.0.0.1:8080", HTTPS: "0.0.0.0:8443", Web: "0.0.0.0:8446", REST: "127.0.0.1:19023"},
		},
		{
			name: "lan",
			file: "exposure: lan\n",
			want: Listen{TCP: "0.0.0.0:8087", TLS: "0.0.0.0:8089", HTTP: "0.0.0.0:8080", HTTPS: "0.0.0.0:8443", Web: "0.0.0.0:8446", REST: "0.0.0.0:19023"},
		},
		{
			name: "lan leaves what is set by hand, even to the default",
			file: "exposure: lan\nlisten: {tcp: 127.0.0.1:8087, http: 127.0.0.1:1, rest: ''}\n",
			want: Listen{TCP: "127.0.0.1:8087", TLS: "0.0.0.0:8089", HTTP: "127.0.0.1:1", HTTPS: "0.0.0.0:8443", Web: "0.0.0.0:8446"},
		},
		{
			name: "internet",
			file: "exposure: internet\n",
			want: Listen{TLS: "0.0.0.0:8089", HTTPS: "0.0.0.0:8443", Web: "0.0.0.0:8446"},
		},
		{
			name: "internet warns of what is set by hand",
			file: "exposure: internet\nlisten: {tcp: '0.0.0.0:1', rest: '127.0.0.1:2'}\n",
			want: Listen{TCP: "0.0.0.0:1", TLS: "0.0.0.0:8089", HTTPS: "0.0.0.0:8443", Web: "0.0.0.0:8446", REST: "127.0.0.1:2"},
			warnings: []string{
				"listen.tcp is set by hand and open on 0.0.0.0:1 without encryption",
				"listen.rest is set by hand and stays open on 127.0.0.1:2",
			},
		},
		{
			name:     "no streams",
			file:     "listen: {tcp: '', tls: '', http: '', https: '', rest: ''}\n",
			want:     Listen{Web: "0.0.0.0:8446"},
			warnings: []string{"no client can connect"},
		},
		{
			name:     "no enrolment",
			file:     "listen: {web: ''}\n",
			want:     Listen{TCP: "127.0.0.1:8087", TLS: "0.0.0.0:8089", HTTP: "127.0.0.1:8080", HTTPS: "0.0.0.0:8443", REST: "127.0.0.1:19023"},
			warnings: []string{"listen.web is off: phones cannot enrol"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := load("takhost.yaml", []byte(tt.file), Sources{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, l.Listen); diff != "" {
				t.Errorf("Listen (-want +got):\n%s", diff)
			}
			if len(l.Warnings) != len(tt.warnings) {
				t.Fatalf("Warnings: got %q, want %d", l.Warnings, len(tt.warnings))
			}
			for i, want := range tt.warnings {
				if !strings.Contains(l.Warnings[i], want) {
					t.Errorf("Warnings[%d]: got %q, want text with %q", i, l.Warnings[i], want)
				}
			}
		})
	}
}

func TestRESTOverTLS(t *testing.T) {
	tests := []struct {
		name string
		set  []string
		want bool
	}{
		{"loopback", nil, false},
		{"elsewhere", []string{"listen.rest=0.0.0.0:1"}, true},
		{"elsewhere and insecure", []string{"listen.rest=0.0.0.0:1", "rest.insecure=true"}, false},
		{"off", []string{"listen.rest="}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := load("", nil, Sources{Set: tt.set})
			if err != nil {
				t.Fatal(err)
			}
			if got := l.RESTOverTLS(); got != tt.want {
				t.Errorf("RESTOverTLS: got %v, want %v", got, tt.want)
			}
		})
	}
}
