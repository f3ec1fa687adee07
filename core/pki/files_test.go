package pki

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stopped is what the steps of a test panic with.
type stopped struct{}

// stopAt ends what runs at the n-th step, as a power cut would. It reports
// whether there was such a step.
func stopAt(n int, run func(step func(string))) (cut bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(stopped); !ok {
				panic(r)
			}
			cut = true
		}
	}()
	run(func(string) {
		if n--; n < 0 {
			panic(stopped{})
		}
	})
	return false
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(b)
	}
	return got
}

func TestChangeOfFilesIsWhole(t *testing.T) {
	before := map[string]string{"a.key": "old", "b.pem": "old", "c.pem": "old"}
	after := map[string]string{"a.key": "new", "b.pem": "new", "d.pem": "new"}
	seen := map[string]int{}
	for n := 0; ; n++ {
		dir := t.TempDir()
		for name, text := range before {
			put(t, dir, map[string][]byte{name: []byte(text)})
		}
		cut := stopAt(n, func(step func(string)) {
			f := folder{path: dir, step: step}
			if err := f.write(file{"a.key", []byte("new")}, file{"b.pem", []byte("new")}, file{"c.pem", nil}, file{"d.pem", []byte("new")}); err != nil {
				t.Fatal(err)
			}
		})
		// The recovery is cut off too, at every place, before one goes through.
		for again := 0; ; again++ {
			if !stopAt(again, func(step func(string)) {
				if err := (folder{path: dir, step: step}).open(new(logBook).logger()); err != nil {
					t.Fatal(err)
				}
			}) {
				break
			}
		}
		got := contents(t, dir)
		switch {
		case cmp.Equal(got, before):
			seen["before"]++
		case cmp.Equal(got, after):
			seen["after"]++
		default:
			t.Errorf("cut at step %d: got %v, want %v or %v", n, got, before, after)
		}
		if !cut {
			break
		}
	}
	if want := map[string]int{"before": 5, "after": 7}; !cmp.Equal(seen, want) {
		t.Errorf("states found: got %v, want %v", seen, want)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("left out: file modes (this system has none)")
	}
	log := &logBook{}
	dir := filepath.Join(t.TempDir(), "pki")
	p := open(t, Options{Dir: dir, Log: log.logger()})
	if _, err := p.SigningKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{".": "-rwx------", "ca.key": "-rw-------", "server.key": "-rw-------", "token.key": "-rw-------"}
	check := func(when string) {
		t.Helper()
		for name, mode := range want {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm().String(); got != mode {
				t.Errorf("%s, %s: got mode %s, want %s", when, name, got, mode)
			}
		}
	}
	check("made")
	for _, name := range []string{".", "ca.key"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	open(t, Options{Dir: dir, Log: log.logger()})
	check("opened again")
	if got, want := strings.Count(log.take(), "others could read this"), 2; got != want {
		t.Errorf("got %d lines about open files, want %d", got, want)
	}
}

// A start and a rollover that are cut off at any step leave a folder that opens,
// with one authority that was there before or after.
func TestCrash(t *testing.T) {
	tests := []struct {
		name string
		run  func(p *PKI) error // nil: the first start itself
		cas  int                // authorities trusted after it went through
	}{
		{"first start", nil, 1},
		{"rollover", func(p *PKI) error { return p.Rollover(t.Context()) }, 2},
		{"finish of a rollover", func(p *PKI) error { return p.FinishRollover(t.Context()) }, 1},
		{"revocation", func(p *PKI) error { return p.Revoke(t.Context(), []Revoked{{Serial: p.CA().SerialNumber}}) }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for n := 0; ; n++ {
				dir := filepath.Join(t.TempDir(), fmt.Sprint(n))
				var known []string
				cut := false
				if tt.run == nil {
					cut = stopAt(n, func(step func(string)) {
						open(t, Options{Dir: dir, test: testOptions{step: step}})
					})
				} else {
					step := func(string) {}
					p := open(t, Options{Dir: dir, test: testOptions{step: func(s string) { step(s) }}})
					if tt.name == "finish of a rollover" {
						if err := p.Rollover(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					for _, c := range p.Trusted() {
						known = append(known, nameOf(c))
					}
					cut = stopAt(n, func(s func(string)) {
						step = s
						if err := tt.run(p); err != nil {
							t.Fatal(err)
						}
					})
				}
				p := open(t, Options{Dir: dir})
				if got := len(p.Trusted()); !cut && got != tt.cas {
					t.Errorf("in the end: got %d authorities, want %d", got, tt.cas)
				}
				if known != nil && tt.name == "rollover" {
					got := nameOf(p.Trusted()[len(p.Trusted())-1])
					if got != known[0] {
						t.Errorf("cut at step %d: the former authority is %s, want %s", n, got, known[0])
					}
				}
				if err := p.VerifyClient(client(t, p, "alpha").Cert); err != nil {
					t.Errorf("cut at step %d: a client's certificate: %v", n, err)
				}
				if !cut {
					if n < 5 {
						t.Errorf("there were %d steps: nothing was tried", n)
					}
					return
				}
			}
		})
	}
}
