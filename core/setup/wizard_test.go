package setup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/takhost/takhost/core/config"
)

// script is a terminal at which a person types what was written down before. A
// line that begins with * is typed without an echo. What is asked beyond its end
// is Ctrl-C.
type script struct {
	t     *testing.T
	lines []string
	shown strings.Builder
}

func (s *script) Print(text string) { s.shown.WriteString(text) }

func (s *script) next(prompt string, secret bool) (string, error) {
	if len(s.lines) == 0 {
		return "", ErrInterrupted
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	text, hidden := strings.CutPrefix(line, "*")
	if hidden != secret {
		s.t.Errorf("%q was typed at %q, which is secret: %v\n%s", line, prompt, secret, s.shown.String())
	}
	if secret {
		s.Print(prompt + "\n")
	} else {
		s.Print(prompt + text + "\n")
	}
	return text, nil
}

func (s *script) Line(_ context.Context, prompt string) (string, error) { return s.next(prompt, false) }
func (s *script) Secret(_ context.Context, prompt string) (string, error) {
	return s.next(prompt, true)
}

// made is a machine of a test: with two addresses, a name, and a small DNS. taken
// are ports of others.
func made(taken ...string) Machine {
	known := map[string]string{"tak.example.org": "192.0.2.20", "far.example.org": "198.51.100.1", "me.example.org": "127.0.0.1", "localhost": "127.0.0.1"}
	return Machine{
		Addrs: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("fe80::1"), netip.MustParseAddr("2001:db8::20"), netip.MustParseAddr("192.0.2.20")}, nil
		},
		Name: func() (string, error) { return "tak.example.org", nil },
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if ip, err := netip.ParseAddr(host); err == nil {
				return []netip.Addr{ip}, nil
			}
			if ip, ok := known[host]; ok {
				return []netip.Addr{netip.MustParseAddr(ip)}, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		},
		Bind: func(_ context.Context, addr string) error {
			for _, t := range taken {
				if strings.HasSuffix(addr, t) {
					return &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
				}
			}
			if strings.HasSuffix(addr, ":80") {
				return &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}
			}
			return nil
		},
		Holder: func(int) string { return "nginx (process 712)" },
	}
}

func newWizard(t *testing.T, lines ...string) (*Wizard, *script) {
	t.Helper()
	d, err := NewDraft("")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := d.Set(TextValue("data", filepath.Join(dir, "data"))); err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, lines: lines}
	return &Wizard{Terminal: s, Machine: made(), File: filepath.Join(dir, "takhost.yaml"), Draft: d}, s
}

const goodPassword = "*a long enough password"

func TestWizard(t *testing.T) {
	for name, tt := range map[string]struct {
		lines []string
		taken []string
		want  map[string]string // values of keys
		admin string
		shown []string
	}{
		"Enter to everything": {
			lines: []string{"", "", "", "", goodPassword, goodPassword, "", ""},
			want:  map[string]string{"public": `["192.0.2.20"]`, "exposure": "local", "database": "sqlite", "web.certificate": "own"},
			admin: "admin",
			shown: []string{"1  192.0.2.20", "2  tak.example.org", "3  2001:db8::20", "192.0.2.20 is an address of this machine", "This is going to be written"},
		},
		"by numbers and names": {
			lines: []string{"2, far.example.org", "lan", "", "sqlite", "none", "1", "yes"},
			want:  map[string]string{"public": `["tak.example.org", "far.example.org"]`, "exposure": "lan", "listen.tcp": "0.0.0.0:8087", "listen.http": "0.0.0.0:8080"},
			shown: []string{"tak.example.org leads to 192.0.2.20, an address of this machine", "far.example.org leads to 198.51.100.1, no address of this machine: right if a router", "by the link that the server shows"},
		},
		"no plain clients": {
			lines: []string{"", "2", "no", "", "none", "", ""},
			want:  map[string]string{"exposure": "lan", "listen.tcp": "127.0.0.1:8087", "listen.http": "127.0.0.1:8080", "listen.rest": "0.0.0.0:19023"},
		},
		"no plain clients, and then the internet": {
			lines: []string{"", "2", "no", "back", "back", "3", "", "none", "", ""},
			want:  map[string]string{"exposure": "internet", "listen.tcp": `""`, "listen.http": `""`},
		},
		"mistakes": {
			lines: []string{
				"not a name!", "-", "me.example.org", "", "nobody.example.org", "y",
				"7", "everybody", "int",
				"mysql://x", "postgres://u:p@127.0.0.1:1/tak", "?", "",
				"a/b", "boss", "*", "boss", "*short", "*password", goodPassword, "*another", goodPassword, goodPassword,
				"", "perhaps", "y",
			},
			want:  map[string]string{"public": `["nobody.example.org"]`, "exposure": "internet", "database": "sqlite"},
			admin: "boss",
			shown: []string{
				"is no name or address", "me.example.org leads to 127.0.0.1, this machine itself, wherever it is asked: a phone would call itself", "! write another one",
				"a name that nobody knows", "! choose by number, 1 to 3, or by name", "! must be sqlite or postgres://", "is the server running",
				"must not be in a name", "! no password", "at least 8 characters", "everybody knows this one", "! The two are not the same", "! answer yes or no",
			},
		},
		"back and forth": {
			lines: []string{"back", "", "lan", "<", "back", "back", "1", "", "back", "internet", "", "none", "back", "none", "", ""},
			want:  map[string]string{"exposure": "internet", "listen.tcp": `""`},
			shown: []string{"This is the first question."},
		},
		"ports that are taken": {
			taken: []string{":8089", ":8090", ":8446", ":9999"},
			lines: []string{"", "", "", "none", "", "", "9999", "0.0.0.0:8443", "18446", ""},
			want:  map[string]string{"listen.tls": "0.0.0.0:8091", "listen.web": "0.0.0.0:18446"},
			shown: []string{"listen.tls: port 8089 is taken by nginx (process 712)", "[0.0.0.0:8091]", "! port 9999 is taken by nginx", "need different ports"},
		},
		"ports that are kept": {
			taken: []string{":8089"},
			lines: []string{"", "", "", "none", "", "keep", ""},
			want:  map[string]string{"listen.tls": "0.0.0.0:8089"},
		},
		"Let's Encrypt": {
			lines: []string{"192.0.2.20", "", "", "none", "acme", "back", "back", "back", "back", "tak.example.org", "", "", "none", "acme", "nobody", "ops@example.org", "80", ""},
			want:  map[string]string{"web.certificate": "acme", "web.acme_email": `"ops@example.org"`, "web.acme_http": "0.0.0.0:80"},
			shown: []string{"has no name: web.certificate is acme", "nobody is no e-mail address", "web.acme_http: port 80 is for root alone"},
		},
		"Let's Encrypt without more": {
			lines: []string{"tak.example.org", "", "", "none", "acme", "back", "3", "", "", ""},
			want:  map[string]string{"web.certificate": "acme", "web.acme_email": `""`, "web.acme_http": `""`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := newWizard(t, tt.lines...)
			w.Machine = made(tt.taken...)
			plan, err := w.Run(t.Context())
			if err != nil {
				t.Fatalf("%v after\n%s", err, s.shown.String())
			}
			if len(s.lines) > 0 {
				t.Errorf("nobody asked for %q", s.lines)
			}
			c, err := plan.Draft.Load()
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range c.Values() {
				if want, ok := tt.want[v.Key]; ok && v.Text() != want {
					t.Errorf("%s: got %s, want %s", v.Key, v.Text(), want)
				}
			}
			admin := ""
			if plan.Admin != nil {
				admin = plan.Admin.Name
				if plan.Admin.Password != goodPassword[1:] {
					t.Errorf("password: got %q", plan.Admin.Password)
				}
			}
			if admin != tt.admin {
				t.Errorf("administrator: got %q, want %q", admin, tt.admin)
			}
			for _, text := range tt.shown {
				if !strings.Contains(s.shown.String(), text) {
					t.Errorf("it does not say %q", text)
				}
			}
			if strings.Contains(s.shown.String(), goodPassword[1:]) {
				t.Error("the password is shown")
			}
			if t.Failed() {
				t.Log(s.shown.String())
			}
		})
	}
}

func TestWizardGivenUp(t *testing.T) {
	full := []string{"", "lan", "", "", "boss", goodPassword, goodPassword, "", ""}
	for n := range len(full) {
		w, _ := newWizard(t, full[:n]...)
		if _, err := w.Run(t.Context()); !errors.Is(err, ErrInterrupted) {
			t.Errorf("after %d answers: got %v, want %v", n, err, ErrInterrupted)
		}
	}
	w, _ := newWizard(t, "", "", "", "none", "", "no")
	if _, err := w.Run(t.Context()); !errors.Is(err, errNotWritten) {
		t.Errorf("no to the last question: got %v", err)
	}
}

func TestWizardAsksNobody(t *testing.T) {
	w, s := newWizard(t)
	w.Yes = true
	w.Machine = made(":8089")
	w.Admin = &Admin{"boss", goodPassword[1:]}
	plan, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := plan.Draft.Load()
	if err != nil {
		t.Fatal(err)
	}
	if c.Public[0] != "192.0.2.20" || plan.Admin.Name != "boss" || s.shown.Len() > 0 {
		t.Errorf("got %v, %v, %q", c.Public, plan.Admin, s.shown.String())
	}
	if got := strings.Join(w.Notes(), "\n"); got != "listen.tls: port 8089 is taken by nginx (process 712): stop that, or take another port with listen.tls" {
		t.Errorf("notes: got %q", got)
	}
	w.Admin = &Admin{"boss", "short"}
	if _, err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "at least 8 characters") {
		t.Errorf("with a short password: got %v", err)
	}
	w.Admin = nil
	w.Machine.Addrs = func() ([]netip.Addr, error) { return nil, errors.New("no network") }
	w.Machine.Name = func() (string, error) { return "box", nil }
	w.Draft.Unset("public")
	if _, err := w.Run(t.Context()); err != nil || !strings.Contains(w.Notes()[1], "set public before you enrol") {
		t.Errorf("without a network: got %v, %v", err, w.Notes())
	}
}

// A database with users keeps them, and their administrator.
func TestWizardOnUsedData(t *testing.T) {
	p := newPlan(t)
	p.Admin = &Admin{"boss", goodPassword[1:]}
	done, err := p.Write(t.Context(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	w, s := newWizard(t, "", "", "", "", "")
	if err := w.Draft.Set(TextValue("data", done.Config.Data)); err != nil {
		t.Fatal(err)
	}
	plan, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if plan.Admin != nil || !strings.Contains(s.shown.String(), "A takhost was here before") || !strings.Contains(s.shown.String(), "as before") {
		t.Errorf("got %v after\n%s", plan.Admin, s.shown.String())
	}
}

// With a FreeTAKServer the questions begin with what it has, and what will become
// of it is shown before it is done.
func TestWizardFromFTS(t *testing.T) {
	f := newFTS(t, false)
	w, s := newWizard(t, "", "", "", "", "boss", goodPassword, goodPassword, "", "", "back", "", "")
	w.FTS = f.read()
	w.FTS.Configure(w.Draft)
	w.Machine = made(":18087")
	plan, err := w.Run(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, s.shown.String())
	}
	c, err := plan.Draft.Load()
	if err != nil {
		t.Fatal(err)
	}
	if c.Exposure != config.ExposureLAN || c.Listen.TCP != "0.0.0.0:18087" || plan.FTS == nil {
		t.Errorf("got %v, %v", c.Exposure, c.Listen.TCP)
	}
	for _, text := range []string{"[tak.example.org, 192.0.2.2]", "[lan]", "stop it before", "[keep]", "user Ann-2: user, team Cyan, with password", "Not taken over"} {
		if !strings.Contains(s.shown.String(), text) {
			t.Errorf("it does not say %q", text)
		}
	}
	if strings.Count(s.shown.String(), "user Ann-2: user") != 2 || strings.Contains(s.shown.String(), "was here already") {
		t.Errorf("the second look differs from the first:\n%s", s.shown.String())
	}
}
