package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What is written loads as it was, whatever it was made of.
func TestWriteSampleLoadsToTheSame(t *testing.T) {
	tests := map[string]struct {
		file    string
		flags   []string
		active  []string // lines that have to be there
		passive []string
		secret  bool
	}{
		"nothing": {passive: []string{"#exposure: local", "  #tcp: 127.0.0.1:8087"}},
		"some": {
			flags:   []string{"exposure=lan", "public=tak.example.org,tls=192.0.2.7:18089", "listen.http=", "archive.keep=12h", "node=7", "login.anonymous=false"},
			active:  []string{"exposure: lan", `public: ["tak.example.org", "tls=192.0.2.7:18089"]`, `  http: ""`, "  keep: 12h", "node: 7", "  anonymous: false"},
			passive: []string{"  #tcp: 127.0.0.1:8087"}, // moved by exposure, so not by hand
		},
		"password of the database": {
			flags:  []string{"database=postgres://tak:s3cr%40t@db.example/tak?sslmode=disable"},
			active: []string{"database: postgres://tak:s3cr%40t@db.example/tak?sslmode=disable"},
			secret: true,
		},
		"no password":               {flags: []string{"database=postgres:///tak?host=/run/postgresql"}},
		"password of key stores":    {flags: []string{"pki.password=change: me # now"}, active: []string{`  password: "change: me # now"`}, secret: true},
		"texts that look like else": {flags: []string{"data=on", "pki.organization=0x10", "log.level='warn'"}, active: []string{`data: "on"`}},
		"plugins": {
			file: `
plugins:
  geofence:
    enabled: true
    sha256: "0000000000000000000000000000000000000000000000000000000000000012"
    grant: {events.read: {types: ["a-f-*"], rate: 2}, log: {}}
    config: {a: {x: "1", y: 1}, "a.b": [1, 2.0, "two", null, {k: yes}], empty: {}, "odd key: #": 1e9}
  chat: {enabled: false}
`,
			flags:  []string{"plugins.chat.config.room=All"},
			active: []string{"  chat:", "    enabled: false", `      "room": "All"`, "  geofence:"},
		},
		"a plugin's secret": {file: "plugins: {bridge: {config: {xmpp: {password: hush}}}}", secret: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want, err := load("old.yaml", []byte(tt.file), Sources{Set: tt.flags})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := WriteSample(&b, want); err != nil {
				t.Fatal(err)
			}
			text := b.String()
			got, err := load("new.yaml", b.Bytes(), Sources{})
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			if diff := cmp.Diff(want.Config, got.Config); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want.effectivePlugins(), got.effectivePlugins(), cmpopts.IgnoreFields(PluginValue{}, "Origin"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("plugins (-want +got):\n%s\n%s", diff, text)
			}
			for _, v := range want.Values() {
				if g, w := got.Origin(v.Key).ByHand(), want.Origin(v.Key).ByHand(); !strings.HasPrefix(v.Key, "plugins.") && g != w {
					t.Errorf("%s: by hand is %v, want %v", v.Key, g, w)
				}
			}
			for _, line := range append(tt.active, tt.passive...) {
				if !strings.Contains(text, "\n"+line+"\n") {
					t.Errorf("no line %q in\n%s", line, text)
				}
			}
			if got := want.HasSecret(); got != tt.secret {
				t.Errorf("HasSecret: got %v, want %v", got, tt.secret)
			}
		})
	}
}
