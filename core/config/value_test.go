package config

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	tests := []struct {
		text  string
		want  time.Duration
		print string
	}{
		{"0", 0, "0"},
		{"4ms", 4 * time.Millisecond, "4ms"},
		{"30s", 30 * time.Second, "30s"},
		{"60s", time.Minute, "1m"},
		{"90m", 90 * time.Minute, "1h30m"},
		{"1.5h", 90 * time.Minute, "1h30m"},
		{"12h", 12 * time.Hour, "12h"},
		{"24h", 24 * time.Hour, "1d"},
		{"36h", 36 * time.Hour, "36h"},
		{"1d12h", 36 * time.Hour, "36h"},
		{"30d", 30 * 24 * time.Hour, "30d"},
		{"1h0m5s", time.Hour + 5*time.Second, "1h0m5s"},
		{"10m0s", 10 * time.Minute, "10m"},
		{"106751d", 106751 * 24 * time.Hour, "106751d"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ParseDuration(tt.text)
			if err != nil {
				t.Fatalf("ParseDuration(%q): %v", tt.text, err)
			}
			if got.Std() != tt.want {
				t.Errorf("ParseDuration(%q): got %v, want %v", tt.text, got.Std(), tt.want)
			}
			if got.String() != tt.print {
				t.Errorf("String: got %q, want %q", got, tt.print)
			}
			if back, err := ParseDuration(got.String()); err != nil || back != got {
				t.Errorf("ParseDuration(%q): got %v, %v, want %v", got, back, err, got)
			}
		})
	}
	for _, bad := range []string{"", "4", "d", "-1s", "+1s", "1d-2h", "1.5d", "1x", "106752d", "106751d24h", "30 d", "99999999999h", "1w"} {
		t.Run("bad "+bad, func(t *testing.T) {
			if got, err := ParseDuration(bad); err == nil {
				t.Errorf("ParseDuration(%q): got %v, want an error", bad, got)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	tests := []struct {
		text  string
		want  Bytes
		print string
	}{
		{"0", 0, "0"},
		{"7", 7, "7"},
		{"7B", 7, "7"},
		{"1000", 1000, "1kB"},
		{"1024", 1024, "1KiB"},
		{"1536", 1536, "1536"},
		{"1.5KiB", 1536, "1536"},
		{"8MiB", 8 << 20, "8MiB"},
		{"8mib", 8 << 20, "8MiB"},
		{"8 MiB", 8 << 20, "8MiB"},
		{"10GB", 10_000_000_000, "10GB"},
		{"1.5GB", 1_500_000_000, "1500MB"},
		{"0.001kB", 1, "1"},
		{"65536", 65536, "64KiB"},
		{"1024GiB", 1 << 40, "1TiB"},
		{"9223372036854775807", math.MaxInt64, "9223372036854775807"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ParseBytes(tt.text)
			if err != nil {
				t.Fatalf("ParseBytes(%q): %v", tt.text, err)
			}
			if got != tt.want {
				t.Errorf("ParseBytes(%q): got %d, want %d", tt.text, got, tt.want)
			}
			if got.String() != tt.print {
				t.Errorf("String: got %q, want %q", got, tt.print)
			}
			if back, err := ParseBytes(got.String()); err != nil || back != got {
				t.Errorf("ParseBytes(%q): got %d, %v, want %d", got, int64(back), err, int64(got))
			}
		})
	}
	for _, bad := range []string{"", "MiB", "-1", "+1", "1.", ".5kB", "1.5", "0.0001kB", "8M", "1e3", "1_000", "8XB", "9223372036854775808", "8388608TiB", "9.9999999999999999kB"} {
		t.Run("bad "+bad, func(t *testing.T) {
			if got, err := ParseBytes(bad); err == nil {
				t.Errorf("ParseBytes(%q): got %d, want an error", bad, int64(got))
			}
		})
	}
	if _, err := ParseBytes("8M"); err == nil || !strings.Contains(err.Error(), "write 8MB (decimal) or 8MiB (binary)") {
		t.Errorf("ParseBytes(8M): got %v, want both spellings offered", err)
	}
}

func TestAddress(t *testing.T) {
	good := []string{
		"", "127.0.0.1:8087", "0.0.0.0:0", ":8087", "[::1]:8087", "[::]:65535", "[fe80::1%eth0]:1",
		"localhost:1", "tak.example.org:8089", "host_1:80",
	}
	for _, addr := range good {
		t.Run("good "+addr, func(t *testing.T) {
			if err := checkAddress(addr); err != nil {
				t.Errorf("checkAddress(%q): got %v, want none", addr, err)
			}
		})
	}
	bad := []struct{ addr, want string }{
		{"8087", "write 127.0.0.1:8087"},
		{"off", `write "" to switch`},
		{"False", `write "" to switch`},
		{"localhost", "write host:port"},
		{"::1:8087", "write host:port"},
		{"1.2.3.4:8087 ", "no valid port"},
		{"1.2.3.4:8087x", "no valid port"},
		{"1.2.3.4:8087/", "no valid port"},
		{"1.2.3.4:", "no valid port"},
		{"1.2.3.4:-1", "no valid port"},
		{"1.2.3.4:+1", "no valid port"},
		{"1.2.3.4:08087", "no valid port"},
		{"1.2.3.4:65536", "no valid port"},
		{"1.2.3.4:http", "no valid port"},
		{"1.2.3.999:80", "no valid host"},
		{" 1.2.3.4:80", "no valid host"},
		{"a b:80", "no valid host"},
		{"-a:80", "no valid host"},
		{"a..b:80", "no valid host"},
		{"tcp://1.2.3.4:80", "not shown"},
		{strings.Repeat("a", 64) + ":80", "no valid host"},
	}
	for _, tt := range bad {
		t.Run("bad "+tt.addr, func(t *testing.T) {
			err := checkAddress(tt.addr)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("checkAddress(%q): got %v, want text with %q", tt.addr, err, tt.want)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "LocalHost:1": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:1": false, ":1": false, "[::]:1": false, "10.0.0.1:1": false, "tak.example.org:1": false,
	} {
		t.Run(addr, func(t *testing.T) {
			if got := isLoopback(addr); got != want {
				t.Errorf("isLoopback(%q): got %v, want %v", addr, got, want)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"tcp", "tls", "rest", "queue_events", "queue_bytes", "handshake"}
	for name, want := range map[string]string{
		"tpc": "tcp", "TCP": "tcp", "queueEvents": "queue_events", "queue-bytes": "queue_bytes",
		"handshak": "handshake", "federation": "", "": "", strings.Repeat("x", 10_000): "",
	} {
		t.Run(shorten(name, 20), func(t *testing.T) {
			if got := nearest(name, keys); got != want {
				t.Errorf("nearest(%q): got %q, want %q", shorten(name, 20), got, want)
			}
		})
	}
}
