package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/config"
)

func unitOf(t *testing.T, change func(*UnitOptions), set ...string) string {
	t.Helper()
	conf, err := config.Load(config.Sources{File: os.DevNull, Set: append([]string{"data=/var/lib/takhost"}, set...)})
	if err != nil {
		t.Fatal(err)
	}
	o := UnitOptions{Program: "/usr/local/bin/takhost", Config: "/etc/takhost/takhost.yaml", Dir: "/etc/takhost", User: "takhost", Group: "takhost", Loaded: &conf.Config}
	if change != nil {
		change(&o)
	}
	return Unit(o)
}

func TestUnit(t *testing.T) {
	const home = "/home" + "/ann/" // a folder that systemd can hide
	for name, tt := range map[string]struct {
		change  func(*UnitOptions)
		set     []string
		has     []string
		hasNone []string
	}{
		"the usual one": {
			has: []string{
				"ExecStart=/usr/local/bin/takhost serve --config /etc/takhost/takhost.yaml", "ReadWritePaths=/var/lib/takhost", "User=takhost", "Group=takhost",
				"ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "Restart=on-failure",
				"ExecReload=/bin/kill -HUP $MAINPID", "TimeoutStopSec=50s", "LimitNOFILE=24096", "WorkingDirectory=/etc/takhost",
			},
			hasNone: []string{"MemoryDenyWriteExecute=", "MemoryMax", "AmbientCapabilities", "postgresql"},
		},
		"a port for root":            {set: []string{"listen.web=0.0.0.0:443"}, has: []string{"AmbientCapabilities=CAP_NET_BIND_SERVICE", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"}},
		"port 80 for an authority":   {set: []string{"web.certificate=acme", "public=tak.example.org", "web.acme_http=0.0.0.0:80"}, has: []string{"AmbientCapabilities=CAP_NET_BIND_SERVICE"}},
		"port 80 that is not used":   {set: []string{"web.acme_http=0.0.0.0:80", "listen.tcp=127.0.0.1:0"}, has: []string{"CapabilityBoundingSet="}},
		"a longer stop":              {set: []string{"limits.shutdown=2m"}, has: []string{"TimeoutStopSec=270s"}},
		"more connections":           {set: []string{"limits.connections=100000"}, has: []string{"LimitNOFILE=104096"}},
		"in a home":                  {change: func(o *UnitOptions) { o.Program = home + "takhost" }, has: []string{"ProtectHome=read-only"}},
		"certificates in a home":     {set: []string{"tls.cert=" + home + "c.pem", "tls.key=" + home + "c.key"}, has: []string{"ProtectHome=read-only"}},
		"data among temporary files": {set: []string{"data=/tmp/x"}, has: []string{"ReadWritePaths=/tmp/x"}, hasNone: []string{"PrivateTmp"}},
		"a relative folder":          {set: []string{"data=takhost-data"}, has: []string{"ReadWritePaths=/etc/takhost/takhost-data"}},
		"a folder by flag":           {change: func(o *UnitOptions) { o.Data, o.Config = "/srv/d", "" }, has: []string{"ExecStart=/usr/local/bin/takhost serve --data /srv/d"}},
		"postgres":                   {set: []string{"database=postgres://u@h/d"}, has: []string{"After=network-online.target postgresql.service"}},
		"odd names": {
			change: func(o *UnitOptions) { o.Config = `/etc/ta k/50%$x"y\.yaml` }, set: []string{"data=/var/a b"},
			has: []string{`ExecStart=/usr/local/bin/takhost serve --config "/etc/ta k/50%%$$x\"y\\.yaml"`, `ReadWritePaths="/var/a b"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			unit := unitOf(t, tt.change, tt.set...)
			lines := strings.Split(unit, "\n")
			for _, line := range tt.has {
				if !slices.Contains(lines, line) {
					t.Errorf("no line %q in\n%s", line, unit)
				}
			}
			for _, text := range tt.hasNone {
				if strings.Contains(unit, text) {
					t.Errorf("%q is in\n%s", text, unit)
				}
			}
		})
	}
}

// What systemd itself says about the units.
func TestUnitVerified(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("left out: units as systemd sees them (apt-get install systemd)")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "tak host")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string][]string{
		"usual.service": nil,
		"low.service":   {"listen.web=0.0.0.0:443", "data=" + filepath.Join(dir, "a b%")},
	} {
		path := filepath.Join(dir, name)
		unit := unitOf(t, func(o *UnitOptions) {
			o.Program, o.Config, o.Dir, o.User, o.Group = program, filepath.Join(dir, "c$.yaml"), dir, "root", "root"
		}, set...)
		if err := os.WriteFile(path, []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path).CombinedOutput()
		// What it says about other units of the machine is not ours.
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, name) || strings.Contains(line, "tak host") {
				t.Errorf("%s: %s\n%s", name, line, unit)
			}
		}
		if err != nil && len(out) == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// machine is a systemd that notes what is asked of it.
type machine struct {
	*Systemd
	did    []string
	owners map[string]int
}

func newMachine(t *testing.T, accounts ...string) *machine {
	t.Helper()
	m := &machine{owners: map[string]int{}}
	m.Systemd = &Systemd{
		Running: func() bool { return true }, Root: func() bool { return true }, UnitDir: t.TempDir(),
		Run: func(_ context.Context, name string, args ...string) (string, error) {
			m.did = append(m.did, name+" "+strings.Join(args, " "))
			if name == "useradd" {
				accounts = append(accounts, args[len(args)-1])
			}
			return "", nil
		},
		User: func(name string) (*user.User, error) {
			for i, a := range accounts {
				if uid := strconv.Itoa(1001 + i); name == a || name == uid {
					return &user.User{Username: a, Uid: uid, Gid: uid}, nil
				}
			}
			return nil, user.UnknownUserError(name)
		},
		Owner: func(path string) (int, int, error) {
			if _, err := os.Stat(path); err != nil {
				return 0, 0, err
			}
			return m.owners[path], m.owners[path], nil
		},
		Chown: func(path string, uid, gid int) error {
			m.did = append(m.did, fmt.Sprintf("chown %s %d:%d", filepath.Base(path), uid, gid))
			return nil
		},
	}
	return m
}

func TestServiceInstall(t *testing.T) {
	ctx := t.Context()
	m := newMachine(t)
	var told []string
	tell := func(text string) { told = append(told, text) }
	u, err := m.Ensure(ctx, ServiceUser, tell)
	if err != nil || u.Username != ServiceUser {
		t.Fatalf("got %v, %v", u, err)
	}
	for range 2 { // once more is no error
		if err := m.Install(ctx, unitMark+"\n[Unit]\n", false, tell); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(m.UnitDir, UnitName)
	if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), unitMark) {
		t.Errorf("got %q, %v", b, err)
	}
	if err := m.Do(ctx, "start"); err != nil {
		t.Error(err)
	}
	want := []string{
		"useradd --system --user-group --no-create-home --shell /usr/sbin/nologin takhost",
		"systemctl daemon-reload", "systemctl enable takhost.service", "systemctl daemon-reload", "systemctl enable takhost.service",
		"systemctl start takhost.service",
	}
	if diff := cmp.Diff(want, m.did); diff != "" || told[0] != "made the user takhost" {
		t.Errorf("told %q (-want +got):\n%s", told, diff)
	}

	if err := os.WriteFile(path, []byte("[Unit]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.Install(ctx, "x", false, tell); err == nil || !strings.Contains(err.Error(), "give --force") {
		t.Errorf("over somebody's unit: got %v", err)
	}
	if err := m.Install(ctx, "x", true, tell); err != nil {
		t.Error(err)
	}
}

func TestServiceRefuses(t *testing.T) {
	ctx := t.Context()
	nobody := func(string) {}
	m := newMachine(t)
	if _, err := m.Ensure(ctx, "ann", nobody); err == nil || !strings.Contains(err.Error(), "useradd --system") {
		t.Errorf("an account that is not there: got %v", err)
	}
	if err := m.Do(ctx, "start"); err == nil || !strings.Contains(err.Error(), "takhost service install") {
		t.Errorf("no service: got %v", err)
	}
	m.Root = func() bool { return false }
	if err := m.Install(ctx, "x", false, nobody); err == nil || !strings.Contains(err.Error(), "sudo") {
		t.Errorf("as somebody: got %v", err)
	}
	m.Running = func() bool { return false }
	if err := m.Install(ctx, "x", false, nobody); !errors.Is(err, errNoSystemd) {
		t.Errorf("without systemd: got %v", err)
	}
	if len(m.did) > 0 {
		t.Errorf("it did %q", m.did)
	}
	m = newMachine(t)
	m.Run = func(context.Context, string, ...string) (string, error) { return "", errors.New("systemctl: no") }
	if err := os.WriteFile(filepath.Join(m.UnitDir, UnitName), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.Do(ctx, "stop"); err == nil || !strings.Contains(err.Error(), "journalctl -u takhost.service") {
		t.Errorf("a stop that fails: got %v", err)
	}
}

func TestServiceUser(t *testing.T) {
	dir := t.TempDir()
	m := newMachine(t, "ann")
	for name, tt := range map[string]struct {
		named string
		owner int
		data  string
		want  string
		err   string
	}{
		"who is named":   {"ben", 1001, dir, "ben", ""},
		"the owner":      {"", 1001, dir, "ann", ""},
		"root's folder":  {"", 0, dir, ServiceUser, ""},
		"none yet":       {"", 1001, dir + "/none", ServiceUser, ""},
		"nobody's owner": {"", 4711, dir, "", "give --user"},
	} {
		m.owners[dir] = tt.owner
		got, err := m.PickUser(tt.named, tt.data)
		if got != tt.want || err == nil != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tt.want)
		}
	}
}

func TestServiceFiles(t *testing.T) {
	dir := t.TempDir()
	data, conf := filepath.Join(dir, "data"), filepath.Join(dir, "takhost.yaml")
	if err := errors.Join(os.Mkdir(data, 0o700), os.WriteFile(filepath.Join(data, "state.db"), nil, 0o600), os.WriteFile(conf, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	ann := &user.User{Username: "ann", Uid: "1001", Gid: "1001"}
	nobody := func(string) {}
	m := newMachine(t, "ann")
	if err := errors.Join(m.GiveFolder(data, ann, nobody), m.GiveFile(conf, ann, nobody), m.GiveFolder(filepath.Join(dir, "new", "er"), ann, nobody)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"chown data 1001:1001", "chown state.db 1001:1001", "chown takhost.yaml 0:1001", "chown er 1001:1001"}, m.did); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for path, want := range map[string]fs.FileMode{conf: 0o640, filepath.Join(dir, "new", "er"): 0o700, filepath.Join(dir, "new"): 0o755} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: got %v, %v, want %v", path, info.Mode(), err, want)
		}
	}

	m = newMachine(t, "ann")
	m.owners[data], m.owners[conf] = 1001, 1001
	if err := errors.Join(m.GiveFolder(data, ann, nobody), m.GiveFile(conf, ann, nobody)); err != nil || len(m.did) > 0 {
		t.Errorf("what is the account's already: got %v, %q", err, m.did)
	}
	m.owners[data] = 1002
	if err := m.GiveFolder(data, ann, nobody); err == nil || !strings.Contains(err.Error(), "belongs to another user (id 1002)") {
		t.Errorf("somebody's: got %v", err)
	}

	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := m.CheckAccess(ann, filepath.Join(dir, "bin", "takhost")); err == nil || !strings.Contains(err.Error(), dir+" is closed to it") {
		t.Errorf("in a closed folder: got %v", err)
	}
	if err := m.CheckAccess(&user.User{Uid: "0", Gid: "0"}, conf); err != nil {
		t.Errorf("root: got %v", err)
	}
	if err := m.CheckAccess(ann, "/bin/sh"); err != nil {
		t.Errorf("a program for all: got %v", err)
	}
}

func TestThisSystemd(t *testing.T) {
	s := ThisSystemd()
	out, err := s.Run(t.Context(), "sh", "-c", "echo out")
	if err != nil || out != "out" {
		t.Errorf("got %q, %v", out, err)
	}
	if _, err := s.Run(t.Context(), "sh", "-c", "echo why; exit 3"); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("got %v", err)
	}
	u, err := s.User(strconv.Itoa(os.Getuid()))
	if err != nil {
		t.Fatal(err)
	}
	if g, err := s.GroupOf(u); err != nil || g == "" {
		t.Errorf("got %q, %v", g, err)
	}
	if uid, _, err := s.Owner(t.TempDir()); err != nil || uid != os.Getuid() {
		t.Errorf("got %d, %v", uid, err)
	}
}

func TestMachine(t *testing.T) {
	m := ThisMachine()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	addrs, err := m.Addrs()
	if err != nil || len(addrs) == 0 {
		t.Errorf("addresses: got %v, %v", addrs, err)
	}
	if r := m.reach(ctx, "127.0.0.1"); !r.loopback || r.err != nil {
		t.Errorf("127.0.0.1: got %+v", r)
	}
	if got := made().Candidates(); !slices.Equal(got, []string{"192.0.2.20", "tak.example.org", "2001:db8::20"}) {
		t.Errorf("candidates: got %v", got)
	}
}
