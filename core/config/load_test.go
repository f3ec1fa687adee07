package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOrderOfSources(t *testing.T) {
	const key = "log.level"
	file := "log:\n  level: warn\n"
	environ := []string{"HOME=/", "TAKHOST_LOG_LEVEL=error", "=C:=x", "broken"}
	tests := []struct {
		name         string
		file         string
		src          Sources
		want, origin string
	}{
		{"default", "", Sources{}, "info", "default"},
		{"file", file, Sources{}, "warn", "takhost.yaml:2"},
		{"environment", file, Sources{Environ: environ}, "error", "TAKHOST_LOG_LEVEL"},
		{"set", file, Sources{Environ: environ, Set: []string{"log.level=info", "log.level=debug"}}, "debug", "--set"},
		{"flag", file, Sources{Environ: environ, Set: []string{"log.level=debug"}, Flags: []Flag{{"--log-level", key, "warn"}}}, "warn", "--log-level"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := load("takhost.yaml", []byte(tt.file), tt.src)
			if err != nil {
				t.Fatal(err)
			}
			if l.Log.Level != tt.want {
				t.Errorf("log.level: got %q, want %q", l.Log.Level, tt.want)
			}
			if got := l.Origin(key).String(); got != tt.origin {
				t.Errorf("origin: got %q, want %q", got, tt.origin)
			}
		})
	}
}

func TestForms(t *testing.T) {
	want := Default()
	want.Node = 7
	want.REST.Insecure = true
	want.Listen.TCP = ""
	want.Archive = Archive{Types: []string{"a-f-*", "b-t-f"}, Keep: Duration(12 * time.Hour), Max: 5 * GB}
	tests := []struct {
		name string
		file string
		src  Sources
	}{
		{
			name: "block file",
			file: "node: 7\nrest:\n  insecure: yes\nlisten:\n  tcp: ''\n  tls: 0.0.0.0:8089\narchive:\n  types:\n  - a-f-*\n  - b-t-f\n  keep: 12h\n  max: 5GB\n",
		},
		{
			name: "flow file with a mark, windows line ends and aliases",
			file: "\xef\xbb\xbf{node: 7, rest: {insecure: on},\r\nlisten: {tcp: \"\"}, archive: {types: [&a a-f-*, b-t-f], keep: &k 12h, max: 5000MB}}\r\n",
		},
		{
			name: "environment",
			src: Sources{Environ: []string{
				"TAKHOST_NODE=7", "TAKHOST_REST_INSECURE=true", "TAKHOST_LISTEN_TCP=", "TAKHOST_ARCHIVE_TYPES=a-f-*, b-t-f",
				"TAKHOST_ARCHIVE_KEEP=12h", "TAKHOST_ARCHIVE_MAX=5GB",
			}},
		},
		{
			name: "quoted environment",
			src: Sources{Environ: []string{
				"TAKHOST_NODE='7'", "TAKHOST_REST_INSECURE=\"true\"", "TAKHOST_LISTEN_TCP=''", "TAKHOST_ARCHIVE_TYPES=[\"a-f-*\", b-t-f]",
				"TAKHOST_ARCHIVE_KEEP=\"12h\"", "TAKHOST_ARCHIVE_MAX=5GB",
			}},
		},
		{
			name: "set",
			src: Sources{Set: []string{
				"node=7", "rest={insecure: true}", "listen.tcp=", "archive={types: [a-f-*, b-t-f], keep: 12h}", "archive.max=5000000000",
			}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := load("takhost.yaml", []byte(tt.file), tt.src)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, l.Config); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEmptyFiles(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "~\n", "listen:\nlog:\n", "listen: {}\n", "\xef\xbb\xbf"} {
		t.Run(text, func(t *testing.T) {
			l, err := load("takhost.yaml", []byte(text), Sources{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Default(), l.Config); diff != "" {
				t.Errorf("differs from the defaults (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		name string
		file string
		src  Sources
		want []string // one a line, in this order, each a part of its line
	}{
		{
			name: "several at once in order of their places",
			file: "listen:\n  prot: 1\n  tcp: 8087\nlog: {level: loud}\nnode: 1024\nlimits:\n    gather: 4\n    queueEvents: 4\n",
			src:  Sources{Environ: []string{"TAKHOST_ARCHIVE_MAX=1"}, Set: []string{"nod=4"}},
			want: []string{
				`takhost.yaml:2:3: unknown key "prot" in listen; known there are tcp, tls, http, https, web, rest`,
				`takhost.yaml:3:3: listen.tcp: "8087" lacks the host: write 127.0.0.1:8087`,
				`takhost.yaml:4:7: log.level: "loud" is not one of debug, info, warn and error`,
				`takhost.yaml:5:1: node: 1024 is not between 0 and 1023`,
				`takhost.yaml:7:13: limits.gather: "4" is not a time span`,
				`takhost.yaml:8:5: unknown key "queueEvents" in limits; did you mean "queue_events"?`,
				`TAKHOST_ARCHIVE_MAX: archive.max: 1 is too small`,
				`--set: unknown key "nod"; did you mean "node"?`,
			},
		},
		{name: "top level typo", file: "exposuer: lan\n", want: []string{`takhost.yaml:1:1: unknown key "exposuer"; did you mean "exposure"?`}},
		{name: "lost indentation", file: "listen:\ntcp: x\n", want: []string{`takhost.yaml:2:1: unknown key "tcp"; did you mean "listen.tcp"?`}},
		{name: "dotted key", file: "listen.tcp: x\n", want: []string{`write listen: {tcp: …}`}},
		{name: "far from all", file: "zebra: x\n", want: []string{`unknown key "zebra"; known are data, node,`}},
		{name: "twice", file: "node: 1\n\nnode: 2\n", want: []string{`takhost.yaml:3:1: key "node" is there twice, first in line 1`}},
		{name: "merge", file: "log: &l {level: info}\nlisten:\n  <<: *l\n", want: []string{`takhost.yaml:3:3: unknown key "<<" in listen`}},
		{name: "no value", file: "data:\n", want: []string{`takhost.yaml:1:1: data: has no value: write one ("" for an empty one), or remove the key`}},
		{name: "list for section", file: "listen: [a]\n", want: []string{`takhost.yaml:1:9: listen: wants tcp, tls, http, https, web, rest with values, not a list`}},
		{name: "text for section", file: "log: debug\n", want: []string{`log: wants level, format with values, not a single value`}},
		{name: "section for text", file: "data: {a: b}\n", want: []string{`takhost.yaml:1:7: data: wants a single value, not keys with values`}},
		{name: "text for list", file: "archive: {types: a-f}\n", want: []string{`archive.types: wants a list such as [a, b], not a single value`}},
		{name: "list in list", file: "archive: {types: [[a]]}\n", want: []string{`archive.types: wants texts in its list, not a list`}},
		{name: "nothing in list", file: "archive: {types: [a, ]}\nnode: ~\n", want: []string{`node: has no value`}},
		{name: "list that holds itself", file: "archive: {types: &a [*a]}\n", want: []string{`archive.types: wants texts in its list, not a list`}},
		{name: "section that holds itself", file: "listen: &a {tcp: *a}\n", want: []string{`listen.tcp: wants a single value, not keys with values`}},
		{name: "odd key", file: "? [a]\n: b\n", want: []string{`has a key that is not a word`}},
		{name: "tag", file: "node: !!int 3\n", want: []string{`node: has a tag`}},
		{name: "octal", file: "node: 0x1f\n", want: []string{`node: "0x1f" is not a whole number`}},
		{name: "too large", file: "node: 99999999999999999999\n", want: []string{`is too large`}},
		{name: "not a truth", file: "rest: {insecure: maybe}\n", want: []string{`rest.insecure: "maybe" is not true or false`}},
		{name: "list at top", file: "- a\n", want: []string{`takhost.yaml:1:1: wants data, node,`}},
		{name: "two documents", file: "node: 1\n---\nnode: 2\n", want: []string{`has a second document`}},
		{name: "open list", file: "archive: {types: [a\nnode: 2\n", want: []string{`takhost.yaml:2:5: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence that begins in line 1`}},
		{name: "tab", file: "log:\n\tlevel: info\n", want: []string{`takhost.yaml:2:1: not valid YAML:`}},
		{name: "latin-1", file: "# ok\ndata: K\xf6ln\n", want: []string{`takhost.yaml:2:8: is not UTF-8 text`}},
		{name: "control character", file: "data: a\x01\n", want: []string{`takhost.yaml:1:8: holds the control character U+0001`}},
		{name: "of a later version", file: "public: [a]\nlisten: {web: '', federation: ''}\n", want: []string{
			`takhost.yaml:2:19: key "listen.federation": this version of takhost does not have federation yet`,
		}},
		{
			name: "of a later version elsewhere",
			src:  Sources{Environ: []string{"TAKHOST_LISTEN_FEDERATION=x"}, Set: []string{"listen.federation=true"}},
			want: []string{`TAKHOST_LISTEN_FEDERATION: key "listen.federation": this version`, `--set: key "listen.federation": this version`},
		},
		{name: "set without value", src: Sources{Set: []string{"log.level"}}, want: []string{`--set: lacks a value: write --set key=value`}},
		{name: "set with bare star", src: Sources{Set: []string{"archive.types=[*]"}}, want: []string{`needs quotes: ["*"]`}},
		{name: "set below typo", src: Sources{Set: []string{"listen.tpc=x"}}, want: []string{`--set: unknown key "tpc" in listen; did you mean "tcp"?`}},
		{name: "set section to text", src: Sources{Set: []string{"log=debug"}}, want: []string{`--set: log: wants level, format with values`}},
		{name: "set section to nothing", src: Sources{Set: []string{"log="}}, want: []string{`--set: log: has no value`}},
		{name: "empty number in environment", src: Sources{Environ: []string{"TAKHOST_NODE="}}, want: []string{`TAKHOST_NODE: node: "" is not a whole number`}},

		{name: "exposure", file: "exposure: world\n", want: []string{`exposure: "world" is not one of local, lan and internet`}},
		{name: "data", file: "data: ''\n", want: []string{`data: names no folder`}},
		{name: "database", file: "database: mysql://h/db\n", want: []string{`database: must be sqlite or postgres://`}},
		{name: "empty database", file: "database: ''\n", want: []string{`database: must be sqlite or postgres://`}},
		{name: "database host", file: "database: postgres:///db\n", want: []string{`database: names no host`}},
		{name: "database options", file: "database: postgres://h/db?a;b\n", want: []string{`database: has options after ? that cannot be read`}},
		{name: "log format", file: "log: {format: xml}\n", want: []string{`log.format: "xml" is not one of text and json`}},
		{name: "cert alone", file: "tls: {cert: c.pem}\n", want: []string{
			`tls.key: is missing: tls.cert needs its private key`,
		}},
		{name: "key alone", file: "tls: {key: k.pem}\n", want: []string{`tls.cert: is missing: tls.key needs its certificate`}},
		{name: "web key alone", file: "web: {certificate: files, key: k.pem}\n", want: []string{`web.cert: is missing: web.key needs its certificate`}},
		{name: "web files", file: "web: {certificate: files}\n", want: []string{`web.cert: is missing: web.certificate is files`}},
		{name: "web own with a file", file: "web: {cert: c, key: k}\n", want: []string{`web.certificate: is own although web.cert names a file`}},
		{name: "acme without a name", file: "public: [192.0.2.1]\nweb: {certificate: acme, acme_directory: 'http://x'}\n", want: []string{
			`takhost.yaml:1:1: public: has no name: web.certificate is acme`, `web.acme_directory: the value (not shown, as it may hold a password) is no https URL`,
		}},
		{name: "public", file: "public: [tak.example.org, '[2001:db8::1]', 'tls=[::1]:1', 'x:1', ftp=a, 'a b', 'tls=a:0']\n", want: []string{
			`public: "x:1" has a port: say which listener`, `public: "ftp=a": "ftp" is no listener`, `public: "a b" is no name or address`, `public: "tls=a:0" has no valid port`,
		}},
		{name: "pki", file: "pki: {organization: 'A, B', ca: 1d, key_bits: 1024, password: ''}\n", want: []string{
			`pki.organization: wants 1 to 64 characters`, `pki.ca: 1d is not between 30d and`, `pki.key_bits: 1024 is not one of`, `pki.password: is empty`,
		}},
		{name: "login", file: "login: {streams: [udp], attempts: 0}\ntrusted_proxies: [ten]\nproxy: {protocol: [x]}\n", want: []string{
			`login.streams: "udp" is not one of tcp and tls`, `login.attempts: 0 is not between`, `trusted_proxies: "ten" is no address`, `proxy.protocol: "x" is not one of`,
		}},
		{name: "proxy without proxies", file: "proxy: {certificate: 'X Y'}\n", want: []string{`trusted_proxies: is empty`, `proxy.certificate: "X Y" is no name of an HTTP header`}},
		{name: "audit", file: "audit: {keep: 1h}\n", want: []string{`audit.keep: 1h is too short`}},
		{name: "one port twice", file: "listen: {tcp: '127.0.0.1:8089'}\n", want: []string{`listen.tls: 0.0.0.0:8089 and 127.0.0.1:8089 of listen.tcp need different ports`}},
		{name: "type", file: "archive: {types: ['a f', '']}\n", want: []string{`archive.types: "a f" is not a CoT type`, `archive.types: "" is not a CoT type`}},
		{name: "short archive", file: "archive: {keep: 1s, max: 1kB}\n", want: []string{`archive.keep: 1s is too short`, `archive.max: 1kB is too small`}},
		{name: "queue below an event", file: "limits: {queue_bytes: 1MiB}\n", want: []string{`limits.queue_bytes: 1MiB is less than the 8MiB of one event`}},
		{name: "limits", file: "limits: {event: 0, queue_events: 0, connections: 0, gather: 2s, stall: 0, sender_rate: -1, handshake: 2d}\n", want: []string{
			`limits.event: 0 is not between 1KiB and 1GiB`,
			`limits.queue_events: 0 is not between 1 and 1073741824`,
			`limits.connections: 0 is not between`,
			`limits.gather: 2s is not between 0 and 1s`,
			`limits.stall: 0 is not between 1ms and 1d`,
			`limits.sender_rate: -1 is not between 0 and`,
			`limits.handshake: 2d is not between 1ms and 1h`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := ""
			if tt.file != "" {
				name = "takhost.yaml"
			}
			_, err := load(name, []byte(tt.file), tt.src)
			if err == nil {
				t.Fatal("got no error")
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(tt.want) {
				t.Fatalf("got %d faults, want %d:\n%v", len(got), len(tt.want), err)
			}
			for i, want := range tt.want {
				if !strings.Contains(got[i], want) {
					t.Errorf("line %d: got %q, want text with %q", i+1, got[i], want)
				}
			}
		})
	}
}

func TestManyFaultsAreCounted(t *testing.T) {
	_, err := load("takhost.yaml", []byte(strings.Repeat("? [x]\n: 1\n", 1000)), Sources{})
	if err == nil {
		t.Fatal("got no error")
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != maxFaults+1 || got[maxFaults] != "and 980 more" {
		t.Errorf("got %d lines ending in %q, want %d ending in a count", len(got), got[len(got)-1], maxFaults+1)
	}
}

// A container platform makes variables such as TAKHOST_PORT for a service
// called takhost; they must not keep the server from starting.
func TestUnknownVariables(t *testing.T) {
	l, err := load("", nil, Sources{Environ: []string{
		"TAKHOST_PORT=tcp://10.0.0.1:8087", "TAKHOST_SERVICE_HOST=10.0.0.1", "TAKHOST_PYTHON=python3", "TAKHOST_LISTEN_TPC=x", "TAKHOST_=x",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`environment variable "TAKHOST_LISTEN_TPC" is not known and has no effect: did you mean TAKHOST_LISTEN_TCP?`}
	if diff := cmp.Diff(want, l.Warnings); diff != "" {
		t.Errorf("Warnings (-want +got):\n%s", diff)
	}
}

func TestLoadFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name string, src Sources, wantNode int, wantFile string) {
		t.Run(name, func(t *testing.T) {
			l, err := Load(src)
			if err != nil {
				t.Fatal(err)
			}
			if l.Node != wantNode || l.File != wantFile {
				t.Errorf("got node %d of file %q, want %d of %q", l.Node, l.File, wantNode, wantFile)
			}
		})
	}
	refuse := func(name, file, want string) {
		t.Run(name, func(t *testing.T) {
			if _, err := Load(Sources{File: file}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want text with %q", err, want)
			}
		})
	}
	check("no file at all", Sources{}, 0, "")
	write(DefaultFile, "node: 1\n")
	check("default file", Sources{}, 1, DefaultFile)
	other := filepath.Join(t.TempDir(), "other.yaml")
	write(other, "node: 2\n")
	check("named file", Sources{File: other}, 2, other)
	refuse("named file is missing", "missing.yaml", "open configuration: open missing.yaml: no such file")
	refuse("folder", ".", "read configuration: read .: is a directory")
	write("large.yaml", strings.Repeat("# not this one\n", 100_000))
	refuse("large file", "large.yaml", "more than 1 MiB")
	write("bad.yaml", "nod: 2\n")
	refuse("bad file", "bad.yaml", "bad.yaml:1:1: unknown key")
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("listen: {tcp: '127.0.0.1:0'}\narchive: {types: [a-f-*], keep: 30d, max: 10GB}\n"), "log.level=debug")
	f.Add([]byte("a: &a [*a]\n<<: {b: *a}\n? {x: y}\n: !!binary aGk=\n---\n...\n"), "archive={types: [a]}")
	f.Add([]byte("%YAML 1.1\n%TAG ! tag:x,2000:\n--- !<x> |+2\n  x\n"), "limits={event: 1MiB, queue_bytes: 8MiB}")
	f.Add([]byte("database: postgres://u:p@h/db\nnode: 0x1\nlimits: {gather: 4ms}\n"), "archive.types=\"*\"")
	f.Fuzz(func(t *testing.T, file []byte, set string) {
		key, value, _ := strings.Cut(set, "=")
		l, err := load("f.yaml", file, Sources{Set: []string{set}, Environ: []string{
			"TAKHOST_ARCHIVE_TYPES=" + value, "TAKHOST_LIMITS_EVENT=" + key, "TAKHOST_" + set,
		}})
		if err != nil {
			if err.Error() == "" {
				t.Error("got an error without text")
			}
			return
		}
		if err := l.Validate(); err != nil {
			t.Errorf("loaded, but not valid: %v", err)
		}
		var shown strings.Builder
		if err := l.Show(&shown, true); err != nil {
			t.Error(err)
		}
		if _, err := load("shown.yaml", []byte(shown.String()), Sources{}); err != nil && l.Database.String() == l.Database.DSN() {
			t.Errorf("what Show wrote does not load: %v\n%s", err, shown.String())
		}
	})
}
