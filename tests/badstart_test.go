package tests

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// startFails wants that the server does not start and says all the texts.
func startFails(t *testing.T, change func(*config.Config), want ...string) {
	t.Helper()
	_, err := taktest.Try(t, taktest.WithConfig(change))
	if err == nil {
		t.Fatal("the server has started, want an error")
	}
	for _, text := range want {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got the error %q, want %q in it", err, text)
		}
	}
}

func TestPortTaken(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	takclient.Must(t, err)
	defer other.Close()
	addr := other.Addr().String()
	pki := taktest.NewPKI(t)
	for name, set := range map[string]func(*config.Config){
		"tcp":  func(c *config.Config) { c.Listen.TCP = addr },
		"tls":  func(c *config.Config) { c.Listen.TLS, c.TLS = addr, pki.Files },
		"rest": func(c *config.Config) { c.Listen.REST = addr },
	} {
		t.Run(name, func(t *testing.T) {
			startFails(t, set, "listen."+name+": another program uses "+addr, "stop it, or set listen."+name+" to another address")
		})
	}
}

func TestBadCertificateFiles(t *testing.T) {
	pki := taktest.NewPKI(t)
	empty := filepath.Join(t.TempDir(), "empty.pem")
	takclient.Must(t, os.WriteFile(empty, nil, 0o600))
	for name, tt := range map[string]struct {
		set  func(*config.TLS)
		want string
	}{
		"no certificate file": {func(c *config.TLS) { c.Cert += ".gone" }, "the server's certificate: open " + pki.Files.Cert + ".gone"},
		"no key file":         {func(c *config.TLS) { c.Key += ".gone" }, "the key of the server's certificate: open " + pki.Files.Key + ".gone"},
		"no authority file":   {func(c *config.TLS) { c.ClientCA += ".gone" }, "foreign authorities: open " + pki.Files.ClientCA + ".gone"},
		"empty certificate":   {func(c *config.TLS) { c.Cert = empty }, empty + " holds no certificate"},
		"empty authority":     {func(c *config.TLS) { c.ClientCA = empty }, "foreign authorities: " + empty + ": holds no certificate"},
		"another's key":       {func(c *config.TLS) { c.Key = taktest.NewPKI(t).Files.Key }, "is not the key of the first certificate in " + pki.Files.Cert},
	} {
		t.Run(name, func(t *testing.T) {
			startFails(t, func(c *config.Config) {
				c.Listen.TLS, c.TLS = "127.0.0.1:0", pki.Files
				tt.set(&c.TLS)
			}, tt.want)
		})
	}
}

func TestDataFolderThatCannotBeUsed(t *testing.T) {
	t.Run("in use", func(t *testing.T) {
		first := taktest.Start(t)
		startFails(t, func(c *config.Config) { c.Data = first.Config.Data },
			"data folder "+first.Config.Data+" is in use by the takhost with process id "+fmt.Sprint(os.Getpid()), "stop it or choose another folder")
	})
	t.Run("a file", func(t *testing.T) {
		file := filepath.Join(taktest.Folder(t), "file")
		takclient.Must(t, os.WriteFile(file, nil, 0o600))
		startFails(t, func(c *config.Config) { c.Data = file }, "data folder", file, "choose another folder")
	})
	t.Run("long path", func(t *testing.T) {
		dir := filepath.Join(taktest.Folder(t), strings.Repeat("a", 100))
		startFails(t, func(c *config.Config) { c.Data = dir }, "use a shorter data folder (data in the configuration, or --data)")
	})
	t.Run("a damaged database", func(t *testing.T) {
		dir := taktest.Folder(t)
		takclient.Must(t, os.WriteFile(filepath.Join(dir, "state.db"), []byte(strings.Repeat("no database ", 1000)), 0o600))
		startFails(t, func(c *config.Config) { c.Data = dir }, "state.db", "move it away or put a backup in its place")
	})
}

// A user who may not use the folder is told so. Root may use everything, so
// root runs the program as somebody else.
func TestUnreadableDataFolder(t *testing.T) {
	for name, mode := range map[string]os.FileMode{"nothing allowed": 0, "reading alone": 0o555} {
		t.Run(name, func(t *testing.T) {
			dir := taktest.Folder(t)
			data := filepath.Join(dir, "data")
			takclient.Must(t, os.Chmod(dir, 0o755))
			takclient.Must(t, os.Mkdir(data, 0o700))
			takclient.Must(t, os.Chmod(data, mode))
			for folder, want := range map[string]string{
				data:                       "give it to the user that runs takhost",
				filepath.Join(data, "new"): "choose another folder or make its parent writable",
			} {
				out := taktest.CommandAsNobody(t, "serve", "--data", folder, "--set", "listen.tcp=127.0.0.1:0", "--set", "listen.rest=127.0.0.1:0")
				if out.Code != 1 || !strings.Contains(out.Err, "data folder") || !strings.Contains(out.Err, "permission denied") || !strings.Contains(out.Err, want) {
					t.Errorf("got exit code %d and %q, want 1 and %q", out.Code, out.Err, want)
				}
			}
		})
	}
}

func TestDatabaseFromANewerVersion(t *testing.T) {
	for _, part := range []string{"state", "archive"} {
		t.Run(part, func(t *testing.T) {
			srv := taktest.Start(t)
			data := srv.Config.Data
			srv.Stop(t)
			db, err := sql.Open("sqlite", filepath.Join(data, part+".db"))
			takclient.Must(t, err)
			_, err = db.Exec("INSERT INTO " + part + "_migrations (name, group_id) VALUES ('9999', 99)")
			takclient.Must(t, err)
			takclient.Must(t, db.Close())
			startFails(t, func(c *config.Config) { c.Data = data },
				part+".db is from a newer version: it has migration 9999", "run the newer takhost, or restore the database from a backup")
		})
	}
}

func TestBadConfiguration(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "takhost.yaml")
		takclient.Must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"unknown key": {[]string{"--config", file("listen:\n  tpc: 127.0.0.1:1\n")}, []string{`takhost.yaml:2:3: unknown key "tpc" in listen; did you mean "tcp"?`}},
		"bad value":   {[]string{"--config", file("limits:\n  stall: fast\n")}, []string{`takhost.yaml:2:10: limits.stall: "fast" is not a time span`, "such as 30s"}},
		"all faults together": {[]string{"--config", file("lsten: {}\nlimits:\n  stall: fast\n"), "--set", "node=5000"},
			[]string{"takhost.yaml:1:1", "takhost.yaml:3:10", "node: 5000 is not between 0 and 1023"}},
		"no YAML":             {[]string{"--config", file("listen: [")}, []string{"takhost.yaml:2:1: not valid YAML"}},
		"no such file":        {[]string{"--config", filepath.Join(t.TempDir(), "gone.yaml")}, []string{"gone.yaml: no such file"}},
		"unknown key of set":  {[]string{"--set", "listne.tcp=x"}, []string{`--set: unknown key "listne.tcp"; did you mean "listen.tcp"?`}},
		"set without a value": {[]string{"--set", "node"}, []string{"write --set key=value"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, command := range [][]string{{"serve", "--data", t.TempDir()}, {"config", "check"}} {
				out := taktest.Command(t, append(command, tt.args...)...)
				if out.Code != 2 {
					t.Errorf("takhost %s: got exit code %d, want 2; %s", command[0], out.Code, out.Err)
				}
				for _, want := range tt.want {
					if !strings.Contains(out.Err, want) {
						t.Errorf("takhost %s: got %q, want %q in it", command[0], out.Err, want)
					}
				}
			}
		})
	}
}
