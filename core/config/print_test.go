package config

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleText(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := Sample(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDefaultIsValid(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Errorf("Validate: got %v, want none", err)
	}
	c.Archive.Types[0] = "b-t-f"
	if got := Default().Archive.Types[0]; got != "*" {
		t.Errorf("Default after a change of another one: got %q, want *", got)
	}
}

func TestSampleLoadsToDefaults(t *testing.T) {
	sample := sampleText(t)
	active := regexp.MustCompile(`(?m)^( *)#([a-z])`).ReplaceAllString(sample, "$1$2")
	for name, text := range map[string]string{"as it is": sample, "every key active": active} {
		t.Run(name, func(t *testing.T) {
			l, err := load("sample.yaml", []byte(text), Sources{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Default(), l.Config); diff != "" {
				t.Errorf("differs from the defaults (-want +got):\n%s", diff)
			}
			for _, v := range l.Values() {
				if strings.HasPrefix(v.Key, "plugins.") {
					continue // the example, there when every key is active
				}
				if byHand := l.Origin(v.Key).ByHand(); byHand != (text == active) {
					t.Errorf("%s: set by hand is %v, want %v", v.Key, byHand, !byHand)
				}
			}
		})
	}
}

func TestSampleExplainsEveryKey(t *testing.T) {
	for _, f := range newSchema() {
		if !f.section && f.doc == "" {
			t.Errorf("%s: has no doc tag", f.key)
		}
	}
	for i, line := range strings.Split(sampleText(t), "\n") {
		if len(line) > 80 || strings.TrimRight(line, " ") != line {
			t.Errorf("line %d is too long or ends in spaces: %q", i+1, line)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, f := range newSchema() {
		if other, ok := seen[f.envName()]; ok {
			t.Errorf("%s and %s share the variable %s", f.key, other, f.envName())
		}
		seen[f.envName()] = f.key
		if !regexp.MustCompile(`^[a-z][a-z_]*$`).MatchString(f.name) {
			t.Errorf("%s: the yaml tag is not a plain key", f.key)
		}
	}
}

func TestShow(t *testing.T) {
	l, err := load("takhost.yaml", []byte("exposure: lan\n\ndatabase: postgres://u:hunter2@h/db\ndata: yes\n"), Sources{
		Environ: []string{"TAKHOST_LIMITS_EVENT=1048576"},
		Set:     []string{"archive.types=a-f-*,b-t-f"},
		Flags:   []Flag{{Name: "--data", Key: "data", Value: "my data"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := l.Show(&b, true); err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(` +# `).ReplaceAllString(b.String(), " # ")
	for _, want := range []string{
		"data: \"my data\" # --data\n",
		"node: 0 # default\n",
		"database: postgres://u:xxxxx@h/db # takhost.yaml:3\n",
		"  tcp: 0.0.0.0:8087 # exposure lan\n",
		"  types: [\"a-f-*\", \"b-t-f\"] # --set\n",
		"  event: 1MiB # TAKHOST_LIMITS_EVENT\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant the line %q in it", got, want)
		}
	}
}

// What Show writes is a file again, unless a password is masked in it.
func TestShowLoadsBack(t *testing.T) {
	tests := []struct {
		name string
		set  []string
	}{
		{"defaults", nil},
		{"odd texts", []string{"data=yes", "archive.types=[]", "tls.cert=a: b #c\n\"d\"", "tls.key=1", "tls.client_ca=*x", "listen.tcp=", "archive.keep=36h30m"}},
		{"null", []string{"data=null"}},
		{"number", []string{"data=12"}},
		{"URL", []string{"database=postgres://u@h:5432/db?sslmode=disable&application_name=takhost"}},
	}
	for _, tt := range tests {
		for _, withOrigin := range []bool{false, true} {
			t.Run(tt.name, func(t *testing.T) {
				l, err := load("", nil, Sources{Set: tt.set})
				if err != nil {
					t.Fatal(err)
				}
				var b bytes.Buffer
				if err := l.Show(&b, withOrigin); err != nil {
					t.Fatal(err)
				}
				back, err := load("shown.yaml", b.Bytes(), Sources{})
				if err != nil {
					t.Fatalf("load what Show wrote: %v\n%s", err, b.String())
				}
				if diff := cmp.Diff(l.Config, back.Config); diff != "" {
					t.Errorf("differs (-want +got):\n%s", diff)
				}
			})
		}
	}
}
