package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What becomes of an authority that is not as it should be.
func TestReadFTSAuthority(t *testing.T) {
	f := newFTS(t, true)
	certs := filepath.Join(f.dir, "certs")
	keep := func(t *testing.T, name string) {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(certs, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.write("certs/"+name, string(b)) })
	}
	replace := func(name, by string) func(*testing.T) {
		return func(t *testing.T) {
			keep(t, name)
			b, err := os.ReadFile(filepath.Join(certs, by))
			if err != nil {
				t.Fatal(err)
			}
			f.write("certs/"+name, string(b))
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*testing.T)
		now    time.Time
		taken  bool
		left   [2]string
		weak   [2]string
	}{
		{name: "as it is", taken: true, left: [2]string{"certificate stranger.pem", "belongs to no user"}},
		{
			name: "without its key", left: [2]string{"authority", "all clients have to be enrolled"},
			change: func(t *testing.T) {
				keep(t, "ca.key")
				if err := os.Remove(filepath.Join(certs, "ca.key")); err != nil {
					t.Fatal(err)
				}
			},
		},
		{name: "with another key", change: replace("ca.key", "server.key"), left: [2]string{"authority", "is not the key of any certificate"}},
		{name: "no authority at all", change: replace("ca.pem", "server.pem"), left: [2]string{"authority", "ca.key is not the key"}},
		{name: "a list that is none", change: replace("FTS_CRL.json", "server.key"), taken: true},
		{name: "a list of another", taken: true, left: [2]string{"revoked certificates", "is no list of this authority"}, change: func(t *testing.T) {
			keep(t, "FTS_CRL.json")
			b, err := os.ReadFile(filepath.Join(certs, "FTS_CRL.json"))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(b), "\n")
			lines[len(lines)-4] = strings.Map(func(r rune) rune { // its signature
				if r == 'A' {
					return 'B'
				}
				return 'A'
			}, lines[len(lines)-4])
			f.write("certs/FTS_CRL.json", strings.Join(lines, "\n"))
		}},
		{name: "near its end", now: time.Now().Add(300 * day), taken: true, weak: [2]string{"authority", "begin a rollover now"}},
		{name: "ended", now: time.Now().Add(400 * day), left: [2]string{"authority", "ended on"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.change != nil {
				tt.change(t)
			}
			if tt.now.IsZero() {
				tt.now = time.Now()
			}
			temp := t.TempDir()
			t.Setenv("TMPDIR", temp)
			fts, err := ReadFTS(t.Context(), f.dir, nil, tt.now)
			if err != nil {
				t.Fatal(err)
			}
			if taken := fts.ca != nil; taken != tt.taken {
				t.Errorf("taken: got %v, want %v", taken, tt.taken)
			}
			if tt.left[0] != "" && !says(fts.Report.Left, tt.left[0], tt.left[1]) || tt.weak[0] != "" && !says(fts.Report.Weak, tt.weak[0], tt.weak[1]) {
				t.Errorf("no %v %v in\n%s", tt.left, tt.weak, fts.Report.Text())
			}
			if left := names(t, temp); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// An authority that is there already stays.
func TestInstallAuthorityBesideAnother(t *testing.T) {
	fts := &FTS{ca: &authority{certs: []byte("theirs"), key: []byte("theirs")}}
	data := t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "pki"), 0o700); err != nil {
		t.Fatal(err)
	}
	ours := filepath.Join(data, "pki", "ca.pem")
	if err := os.WriteFile(ours, []byte("ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	var r Report
	installed, err := fts.installAuthority(data, &r)
	if err != nil || installed || !says(r.Left, "authority", "already, which stays") {
		t.Errorf("got %v, %v\n%s", installed, err, r.Text())
	}
	if b, err := os.ReadFile(ours); err != nil || string(b) != "ours" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(data, "pki", "ca.key")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its key: got %v, want none", err)
	}
}

func TestPlainName(t *testing.T) {
	for name, want := range map[string]string{
		"ann": "ann", " Zoë K. ": "Zoë K.", "a/b,c": "a_b_c", "-dash": "_dash", "": "", "///": "", "x\x00y": "x_y",
		"日本": "日本", strings.Repeat("n", 100): strings.Repeat("n", 64), strings.Repeat("n", 63) + " more": strings.Repeat("n", 63),
	} {
		if got := plainName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
