package setup

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/store/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

// newPlan is one for a folder of its own.
func newPlan(t *testing.T, values ...Value) *Plan {
	t.Helper()
	dir := t.TempDir()
	d, err := NewDraft("")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Set(append([]Value{TextValue("data", filepath.Join(dir, "data"))}, values...)...); err != nil {
		t.Fatal(err)
	}
	return &Plan{File: filepath.Join(dir, "conf", "takhost.yaml"), Draft: d}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestWriteConfigurationAlone(t *testing.T) {
	p := newPlan(t, Value{"exposure", "lan"}, ListValue("public", []string{"tak.example.org"}))
	done, err := p.Write(t.Context(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(config.Sources{File: p.File})
	if err != nil {
		t.Fatal(err)
	}
	if got.Exposure != "lan" || got.Public[0] != "tak.example.org" || done.Config.File != p.File || done.Backup != "" {
		t.Errorf("got %+v, %+v", got.Config, done)
	}
	if info, err := os.Stat(p.File); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("got %v, %v, want mode 0644", info.Mode(), err)
	}
	if _, err := os.Stat(got.Data); err == nil {
		t.Error("a data folder was made without need")
	}
	if all := names(t, filepath.Dir(p.File)); len(all) != 1 {
		t.Errorf("got %v", all)
	}
}

func TestWriteKeepsWhatIsThere(t *testing.T) {
	p := newPlan(t, TextValue("database", "postgres://tak:hush@db.example/tak"))
	if err := os.MkdirAll(filepath.Dir(p.File), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.File, []byte("node: 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(t.Context(), quiet); err == nil || !strings.Contains(err.Error(), "file already exists") {
		t.Errorf("over a file that is there: got %v", err)
	}
	p.Backup = true
	for _, want := range []string{"takhost.yaml.old1", "takhost.yaml.old2"} {
		done, err := p.Write(t.Context(), quiet)
		if err != nil || filepath.Base(done.Backup) != want {
			t.Errorf("got %s, %v, want %s", done.Backup, err, want)
		}
	}
	if b, err := os.ReadFile(p.File + ".old1"); err != nil || string(b) != "node: 7\n" {
		t.Errorf("got %q, %v", b, err)
	}
	if info, err := os.Stat(p.File); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600, as it has a password", info.Mode(), err)
	}
	if all := names(t, filepath.Dir(p.File)); len(all) != 3 {
		t.Errorf("got %v", all)
	}
}

func TestWriteAdministrator(t *testing.T) {
	p := newPlan(t)
	p.Admin = &Admin{"boss", "a long enough password"}
	done, err := p.Write(t.Context(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	o, err := OpenOffline(t.Context(), &done.Config.Config, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := o.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if o.Identity.NeedsSetup() {
		t.Error("there is no administrator")
	}
	if _, err := o.Identity.Login(t.Context(), "boss", p.Admin.Password, "192.0.2.1"); err != nil {
		t.Error(err)
	}
	if page, err := o.Identity.AuditLog(t.Context(), store.AuditQuery{Action: "user.add", Limit: 10}); err != nil || len(page.Entries) != 1 || page.Entries[0].Via != "init" {
		t.Errorf("audit: got %+v, %v", page, err)
	}

	// A server, or another set-up, has the folder.
	if _, err := p.Write(t.Context(), quiet); store.CodeOf(err) != store.Conflict || !strings.Contains(err.Error(), "is in use by") {
		t.Errorf("while it is in use: got %v", err)
	}
	if _, err := os.Stat(filepath.Join(done.Config.Data, "state.db")); err != nil {
		t.Errorf("the other one's data: %v", err)
	}
}

func TestWriteToPostgres(t *testing.T) {
	p := newPlan(t, TextValue("database", storetest.Postgres(t)))
	p.Admin = &Admin{"boss", "a long enough password"}
	done, err := p.Write(t.Context(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	look, err := tryDatabase(t.Context(), done.Config.Database.DSN(), done.Config.Data)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := openScratch(t.Context(), look)
	if err != nil {
		t.Fatal(err)
	}
	if u, there := ids.User("boss"); !there || ids.NeedsSetup() || !u.HasPassword {
		t.Errorf("got %v %+v", there, u)
	}
}

// What fails, or is given up, leaves nothing behind.
func TestWriteFails(t *testing.T) {
	for name, tt := range map[string]struct {
		break_ func(*Plan, context.CancelFunc)
		want   string
	}{
		"a bad administrator": {func(p *Plan, _ context.CancelFunc) { p.Admin = &Admin{"boss", "short"} }, "at least 8 characters"},
		"given up": {func(p *Plan, cancel context.CancelFunc) {
			p.Admin = &Admin{"boss", "a long enough password"}
			cancel()
		}, "context canceled"},
		"a take-over that fails": {func(p *Plan, _ context.CancelFunc) {
			p.FTS = &FTS{ca: &authority{certs: []byte("x"), key: []byte("y")}}
			p.Admin = &Admin{"x/y", "a long enough password"}
		}, "must not be in a name"},
	} {
		for _, there := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				p := newPlan(t)
				c, err := p.Draft.Load()
				if err != nil {
					t.Fatal(err)
				}
				if there {
					if err := os.Mkdir(c.Data, 0o700); err != nil {
						t.Fatal(err)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				tt.break_(p, cancel)
				if _, err := p.Write(ctx, quiet); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				if all := names(t, filepath.Dir(p.File)); len(all) != 0 {
					t.Errorf("beside the configuration there is %v", all)
				}
				if there {
					if all := names(t, c.Data); len(all) != 0 {
						t.Errorf("in the data folder there is %v", all)
					}
				} else if _, err := os.Stat(c.Data); err == nil {
					t.Error("there is a data folder")
				}
			})
		}
	}
}

func TestDraft(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(file, []byte("node: 7\nlisten: {tcp: '127.0.0.1:1'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := NewDraft(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		values []Value
		want   string
	}{
		{[]Value{{"exposure", "world"}}, `"world" is not one of local, lan and internet`},
		{[]Value{{"listen.tls", "0.0.0.0:1"}}, "0.0.0.0:1 and 127.0.0.1:1 of listen.tcp need different ports"},
		{[]Value{{"exposure", "lan"}, {"node", "x"}}, `node: "x" is not a whole number`},
		{[]Value{{"nodde", "1"}}, `unknown key "nodde"; did you mean "node"?`},
		{[]Value{TextValue("database", "postgres://a:b/c@d/e")}, "is not a URL: special characters in user and password are written as %XX, such as %2F for / and %40 for @"},
		{[]Value{{"exposure", "lan"}, TextValue("data", "on")}, ""},
	} {
		err := d.Set(tt.values...)
		if got := errText(err); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.values, got, tt.want)
		}
	}
	d.Unset("exposure")
	c, err := d.Load()
	if err != nil {
		t.Fatal(err)
	}
	if c.Node != 7 || c.Data != "on" || c.Exposure != "local" {
		t.Errorf("got node %d, data %s, exposure %s", c.Node, c.Data, c.Exposure)
	}
	if err := os.WriteFile(file, []byte("node: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewDraft(file); err == nil || !strings.Contains(err.Error(), "x.yaml:1:7: node") {
		t.Errorf("of a file with faults: got %v", err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
