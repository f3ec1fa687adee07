package setup

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
)

// read reads a FreeTAKServer with this environment.
func (f *ftsServer) read(environ ...string) *FTS {
	f.t.Helper()
	fts, err := ReadFTS(f.t.Context(), filepath.Join(f.dir, ftsFile), environ, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	return fts
}

func scratchUsers(t *testing.T) *identity.Service {
	t.Helper()
	ids, err := openScratch(t.Context(), store.Look{})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// says finds the items of a list that are about something.
func says(items []Item, what, text string) bool {
	for _, i := range items {
		if i.What == what && strings.Contains(i.Text, text) {
			return true
		}
	}
	return false
}

func TestReadFTSSettings(t *testing.T) {
	for name, tt := range map[string]struct {
		environ []string
		file    string // in the place of the usual one
		want    map[string]string
		left    [2]string
	}{
		"the file": {want: map[string]string{
			"exposure": "lan", "public": "[\"tak.example.org\", \"192.0.2.2\"]", "listen.tcp": "0.0.0.0:18087", "listen.tls": "0.0.0.0:8089",
			"listen.http": "0.0.0.0:8080", "listen.rest": "127.0.0.1:19023", "log.level": "error", "archive.types": `["*"]`,
		}},
		"the environment beats it": {
			environ: []string{"FTS_COT_PORT=9087", "FTS_USER_ADDRESS=127.0.0.1", "FTS_COT_TO_DB=False", "FTS_API_ADDRESS=192.0.2.2", "OTHER=1"},
			want:    map[string]string{"listen.tcp": "0.0.0.0:9087", "public": `["192.0.2.2"]`, "archive.types": "[]", "listen.rest": "192.0.2.2:19023"},
			left:    [2]string{"FTS_USER_ADDRESS", "leads every phone to itself"},
		},
		"nothing set":         {file: "{}", want: map[string]string{"public": "[]", "listen.tcp": "0.0.0.0:8087", "log.level": "info"}},
		"an empty file":       {file: "", want: map[string]string{"exposure": "lan"}},
		"ports that are none": {environ: []string{"FTS_COT_PORT=none", "FTS_SSLCOT_PORT=70000"}, want: map[string]string{"listen.tcp": "0.0.0.0:8087"}, left: [2]string{"FTS_SSLCOT_PORT", "is no port"}},
		"one port for two":    {environ: []string{"FTS_COT_PORT=8089"}, want: map[string]string{"listen.tcp": "0.0.0.0:8087"}, left: [2]string{"listen.tcp 0.0.0.0:8089", "need different ports"}},
		"an odd level":        {environ: []string{"FTS_LOG_LEVEL=chatty"}, want: map[string]string{"log.level": "info"}, left: [2]string{"FTS_LOG_LEVEL", "is no level"}},
		"its own bus":         {environ: []string{"FTS_ROUTING_PROXY_SERVER_PORT=19031"}, left: [2]string{"FTS_NUM_ROUTING_WORKERS, FTS_ROUTING_PROXY_SERVER_PORT", "no such bus"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFTS(t, false)
			if tt.file != "" || name == "an empty file" {
				f.write(ftsFile, tt.file)
			}
			fts := f.read(tt.environ...)
			d, err := NewDraft("")
			if err != nil {
				t.Fatal(err)
			}
			fts.Configure(d)
			conf, err := d.Load()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, v := range conf.Values() {
				if _, ok := tt.want[v.Key]; ok {
					got[v.Key] = v.Text()
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" && tt.want != nil {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tt.left[0] != "" && !says(fts.Report.Left, tt.left[0], tt.left[1]) {
				t.Errorf("no line %v in\n%s", tt.left, fts.Report.Text())
			}
		})
	}
}

func TestReadFTSRefuses(t *testing.T) {
	f := newFTS(t, false)
	for name, tt := range map[string]struct {
		file string
		make func()
		want string
	}{
		"no file":        {filepath.Join(f.dir, "none.yaml"), nil, "no such file"},
		"no YAML":        {filepath.Join(f.dir, "x.yaml"), func() { f.write("x.yaml", "a: [hush-secret") }, "no YAML of sections"},
		"a list":         {filepath.Join(f.dir, "y.yaml"), func() { f.write("y.yaml", "- hush-secret") }, "no YAML of sections"},
		"a large one":    {filepath.Join(f.dir, "z.yaml"), func() { f.write("z.yaml", strings.Repeat("#", maxYAML+1)) }, "hardly the right file"},
		"no database":    {f.dir, func() { f.write("FTSDataBase.db", "hush-secret is no database") }, "it is no SQLite file"},
		"a shy database": {f.dir, func() { f.write("FTSDataBase.db", "SQLite format 3\x00"+strings.Repeat("x", 4000)) }, "SystemUser of"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.make != nil {
				tt.make()
			}
			_, err := ReadFTS(t.Context(), tt.file, nil, time.Now())
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A folder that was carried to another machine is found beside its settings.
func TestReadFTSMoved(t *testing.T) {
	f := newFTS(t, false)
	moved := filepath.Join(t.TempDir(), "backup")
	if err := os.Rename(f.dir, moved); err != nil {
		t.Fatal(err)
	}
	f.dir = moved
	if fts := f.read(); len(fts.people) != 7 {
		t.Errorf("got %d people, want 7:\n%s", len(fts.people), fts.Report.Text())
	}
	if err := os.Remove(filepath.Join(moved, ftsFile)); err != nil {
		t.Fatal(err)
	}
	fts, err := ReadFTS(t.Context(), moved, nil, time.Now())
	if err != nil || len(fts.people) != 7 {
		t.Errorf("by its folder alone: got %v", err)
	}
}

func TestReadFTSMySQL(t *testing.T) {
	f := newFTS(t, false)
	for _, environ := range []string{"FTS_DATABASE_TYPE=MySQL", "FTS_DB_PATH=fts:hush@db/fts"} {
		fts := f.read(environ)
		if len(fts.people) != 0 || !says(fts.Report.Left, "users in MySQL", "takhost user import") || strings.Contains(fts.Report.Text(), "hush") {
			t.Errorf("%s:\n%s", environ, fts.Report.Text())
		}
	}
}

func TestTakeOverUsers(t *testing.T) {
	f := newFTS(t, false)
	fts, ids := f.read(), scratchUsers(t)
	r, err := fts.takeover(t.Context(), ids, false)
	if err != nil {
		t.Fatal(err)
	}
	r = fts.Report.and(r)
	type brief struct {
		Roles, Team, Device string
		Password            bool
		Tokens              int
	}
	got := map[string]brief{}
	for _, u := range ids.Users() {
		got[u.Name] = brief{strings.Join(u.Roles, ","), u.Team, u.Device, u.HasPassword, len(ids.Tokens(u.Name))}
		if len(u.Groups) != 0 {
			t.Errorf("%s is in %v, want no group of its own", u.Name, u.Groups)
		}
	}
	want := map[string]brief{
		"ann": {"user", "Yellow", "wintak", true, 1}, "Ann-2": {"user", "Cyan", "mobile", true, 1}, "ben": {"user", "", "", false, 1},
		"o_dd_ one": {"user", "Red", "mobile", false, 0},
		"node":      {"operator", "", "api", false, 1}, "ben-2": {"operator", "", "api", false, 1}, "twice": {"operator", "", "api", false, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if _, err := ids.Login(t.Context(), "ann", annPasswd, "192.0.2.1"); err != nil {
		t.Errorf("ann's password: %v", err)
	}
	for _, tt := range []struct {
		items      []Item
		what, text string
	}{
		{r.Left, "user admin", "every FreeTAKServer is delivered with"},
		{r.Left, "user ben, password", "at least 8 characters"},
		{r.Left, "user o/dd, one , token", "everybody knows it: make one with takhost token new 'o_dd_ one'"},
		{r.Left, "token of twice", "somebody else has the same"},
		{r.Left, "authority", "this server makes an authority of its own"},
		{r.Weak, "token of ben", "has only 8 characters"},
		{r.Weak, "user Ann", "is called Ann-2 here"},
	} {
		if !says(tt.items, tt.what, tt.text) {
			t.Errorf("no %s: %s", tt.what, tt.text)
		}
	}
	if text := r.Text(); t.Failed() || strings.Contains(text, annToken) || strings.Contains(text, annPasswd) || strings.Contains(text, nodeToken) {
		t.Errorf("the report, which holds no secret:\n%s", text)
	}

	// Once more, as after a change of mind: nothing is there twice.
	if _, err := f.read().takeover(t.Context(), ids, false); err != nil {
		t.Fatal(err)
	}
	if n, m := len(ids.Users()), len(ids.Tokens("")); n != len(want) || m != 5 {
		t.Errorf("after it was done again: got %d users and %d tokens, want %d and 5", n, m, len(want))
	}
}

// The user that every FreeTAKServer has is taken as far as its values are its own.
func TestTakeOverSeed(t *testing.T) {
	for name, tt := range map[string]struct {
		password, token string
		there           bool
		hasPassword     bool
		tokens          int
	}{
		"as delivered":          {"password", "token", false, false, 0},
		"without a token":       {"password", "", false, false, 0},
		"with a token":          {"password", "chosen-by-the-operator", true, false, 1},
		"with a password":       {"chosen by the operator", "token", true, true, 0},
		"with both":             {"chosen by the operator", "chosen-by-the-operator", true, true, 1},
		"with others' defaults": {"changeme", "supersecret", true, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFTS(t, false)
			f.database(`DELETE FROM SystemUser`, `DELETE FROM APIUsers`, `INSERT INTO SystemUser VALUES ('1', 'admin', '`+tt.token+`', '`+tt.password+`', 'True', 'mobile', NULL)`)
			ids := scratchUsers(t)
			if _, err := f.read().takeover(t.Context(), ids, false); err != nil {
				t.Fatal(err)
			}
			u, there := ids.User("admin")
			if there != tt.there || u.HasPassword != tt.hasPassword || len(ids.Tokens("admin")) != tt.tokens {
				t.Errorf("got %v %+v with %d tokens", there, u, len(ids.Tokens("admin")))
			}
			if there && (strings.Join(u.Roles, ",") != "operator" || u.Team != "") {
				t.Errorf("got %+v", u)
			}
		})
	}
}

// The token of a namesake gives nobody the rights of the administrator.
func TestTakeOverBesideAdmin(t *testing.T) {
	f := newFTS(t, false)
	f.database(`UPDATE SystemUser SET token = 'chosen-by-the-operator', password = 'another long one' WHERE uid = '1'`)
	ids := scratchUsers(t)
	if _, err := ids.AddUser(t.Context(), byInit, identity.NewUser{User: identity.User{Name: "Admin", Roles: []string{identity.RoleAdmin}}, Password: "the administrator's"}); err != nil {
		t.Fatal(err)
	}
	r, err := f.read().takeover(t.Context(), ids, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ids.ByToken(context.Background(), "chosen-by-the-operator", ""); err == nil || !says(r.Left, "token of Admin", "lay about in clear") {
		t.Errorf("got the token taken:\n%s", r.Text())
	}
	if _, err := ids.Login(t.Context(), "admin", "the administrator's", "192.0.2.1"); err != nil {
		t.Errorf("the administrator's password: %v", err)
	}
}
