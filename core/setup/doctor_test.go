package setup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/store"
)

// patient is an installation that is well: a server has run on it. The settings
// are on top of those.
func patient(t *testing.T, set ...string) *Patient {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "takhost.yaml")
	if err := os.WriteFile(file, []byte("public: [tak.example.org]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	conf, err := config.Load(config.Sources{File: file, Set: append([]string{"data=" + data}, set...)})
	if err != nil {
		t.Fatal(err)
	}
	return &Patient{
		Config: conf, Version: "v1", Machine: made(), Now: time.Now,
		FreeDisk: func(string) (uint64, uint64, error) { return 100e9, 200e9, nil },
		Synced:   func(context.Context) (bool, bool) { return true, true },
		Look:     func(context.Context, string, string) (store.Look, error) { return store.Look{Engine: "SQLite 3"}, nil },
	}
}

// running has a server run on the patient, with its listeners open.
func (p *Patient) running() *Patient {
	r := &Running{Version: "v1", Started: p.Now().Add(-time.Hour), Uptime: time.Hour, Archive: "ok", People: People{
		Users: []identity.User{{Name: "boss", Roles: []string{identity.RoleAdmin}, HasPassword: true}},
	}}
	for _, name := range listeners {
		addr := p.Config.Listen.Addr(name)
		state := "open"
		if addr == "" {
			state = "off"
		}
		r.Listeners = append(r.Listeners, RunningListener{name, addr, state})
	}
	p.Running = r
	return p
}

func (p *Patient) put(t *testing.T, name string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(p.Config.Data, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// does runs one check and compares the level and text of its worst finding.
func (p *Patient) does(t *testing.T, look func(context.Context, *Patient) []Finding, level Level, text string) {
	t.Helper()
	all := look(t.Context(), p)
	if got := Worst(all); got != level || !strings.Contains(fmt.Sprint(all), text) {
		t.Errorf("got %v, want %v with %q:\n%v", got, level, text, all)
	}
	for _, f := range all {
		if f.Text == "" || f.Level >= Warning && f.Do == "" && !strings.ContainsAny(f.Text, ";:") {
			t.Errorf("says too little: %+v", f)
		}
	}
}

// diagnosis is a case of a table: a patient, and what has to be found.
type diagnosis struct {
	name  string
	set   []string // settings
	sick  func(t *testing.T, p *Patient)
	level Level
	text  string
}

func try(t *testing.T, look func(context.Context, *Patient) []Finding, cases []diagnosis) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := patient(t, c.set...)
			if c.sick != nil {
				c.sick(t, p)
			}
			p.does(t, look, c.level, c.text)
		})
	}
}

func run(_ *testing.T, p *Patient) { p.running() }

func TestDoctorConfig(t *testing.T) {
	try(t, checkConfig, []diagnosis{
		{"well", nil, nil, OK, "takhost.yaml"},
		{"warnings", []string{"exposure=internet", "listen.tcp=0.0.0.0:8087"}, nil, Warning, "is set by hand and open on 0.0.0.0:8087"},
		{"no file", nil, func(_ *testing.T, p *Patient) { p.Config.File = "" }, Note, "the defaults hold"},
		{"faults", nil, func(_ *testing.T, p *Patient) { p.Config, p.ConfigErr = nil, errors.New("x.yaml:1:1: no") }, Fault, "x.yaml:1:1: no"},
	})
	try(t, checkServer, []diagnosis{
		{"none", nil, nil, OK, "none runs"},
		{"one", nil, run, OK, "v1 runs since"},
		{"an old one", nil, func(_ *testing.T, p *Patient) { p.running().Running.Version = "v0" }, Warning, "v0 runs, and this program is v1"},
		{"a shy one", nil, func(_ *testing.T, p *Patient) { p.AskErr = errors.New("permission denied") }, Warning, "cannot be asked"},
	})
	try(t, checkPlugins, []diagnosis{
		{"none runs", nil, nil, OK, ""},
		{"well", nil, func(_ *testing.T, p *Patient) { p.running().Running.Plugins = []RunningPlugin{{Name: "chat"}} }, OK, "1 are on"},
		{"one failed", nil, func(_ *testing.T, p *Patient) {
			p.running().Running.Plugins = []RunningPlugin{{Name: "chat", Failed: true, Reason: "it panicked"}}
		}, Fault, "chat does not work: it panicked"},
	})
}

func TestDoctorFolder(t *testing.T) {
	try(t, checkFolder, []diagnosis{
		{"well", nil, func(t *testing.T, p *Patient) {
			p.put(t, "state.db", 0o600)
			p.put(t, "pki/ca.key", 0o600)
			p.put(t, "pki/ca.pem", 0o644)
			p.put(t, "rest.token", 0o600)
		}, OK, "/data"},
		{"not there", []string{"data=/nowhere/at/all"}, nil, OK, "is not there yet"},
		{"a file", nil, func(t *testing.T, p *Patient) { p.Config.Data = p.put(t, "x", 0o600) }, Fault, "is a file"},
		{"open folder", nil, func(t *testing.T, p *Patient) {
			if err := os.Chmod(p.Config.Data, 0o755); err != nil {
				t.Fatal(err)
			}
		}, Warning, "can look into"},
		{"open pki", nil, func(t *testing.T, p *Patient) {
			p.put(t, "pki/ca.pem", 0o644)
			if err := os.Chmod(filepath.Join(p.Config.Data, "pki"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, Warning, "folder pki"},
		{"open key", nil, func(t *testing.T, p *Patient) { p.put(t, "pki/ca.key", 0o640) }, Fault, "pki/ca.key"},
		{"open token", nil, func(t *testing.T, p *Patient) { p.put(t, "rest.token", 0o644) }, Fault, "rest.token"},
		{"open link", nil, func(t *testing.T, p *Patient) { p.put(t, "setup.link", 0o604) }, Fault, "setup.link"},
		{"open database", nil, func(t *testing.T, p *Patient) { p.put(t, "state.db", 0o644) }, Fault, "state.db"},
		{"open password", []string{"pki.password=hush"}, func(t *testing.T, p *Patient) {
			if err := os.Chmod(p.Config.File, 0o644); err != nil {
				t.Fatal(err)
			}
		}, Fault, "holds a password"},
		{"password for the group of the service", []string{"pki.password=hush"}, func(t *testing.T, p *Patient) {
			if err := os.Chmod(p.Config.File, 0o640); err != nil {
				t.Fatal(err)
			}
		}, OK, "/data"},
	})
}

func TestDoctorNames(t *testing.T) {
	addrs := func(list ...string) func(*testing.T, *Patient) {
		return func(_ *testing.T, p *Patient) {
			p.Machine.Name = func() (string, error) { return "box", nil }
			p.Machine.Addrs = func() (all []netip.Addr, err error) {
				for _, a := range list {
					all = append(all, netip.MustParseAddr(a))
				}
				return all, nil
			}
		}
	}
	try(t, checkNames, []diagnosis{
		{"well", nil, nil, OK, "tak.example.org leads to 192.0.2.20, an address of this machine"},
		{"behind a router", []string{"public=far.example.org"}, nil, Note, "no address of this machine: right if"},
		{"nobody knows it", []string{"public=nobody.example.org"}, nil, Fault, "a name that nobody knows"},
		{"loopback", []string{"public=localhost"}, nil, Fault, "a phone would call itself"},
		{"the second is loopback", []string{"public=tak.example.org,127.0.0.1"}, nil, Warning, "127.0.0.1 is this machine itself"},
		{"the resolver is away", []string{"public=tak.example.org"}, func(_ *testing.T, p *Patient) {
			p.Machine.Resolve = func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("i/o timeout") }
		}, Fault, "cannot be looked up now: i/o timeout"},
		{"none, with one address", []string{"public=[]"}, addrs("192.0.2.7", "127.0.0.1"), Note, "packages and links name 192.0.2.7"},
		{"none, with several", []string{"public=[]"}, addrs("192.0.2.7", "192.0.2.8"), Warning, "192.0.2.7, 192.0.2.8: phones cannot be enrolled"},
		{"none, without an address", []string{"public=[]"}, addrs("127.0.0.1"), Warning, "no address but its own"},
	})
}

func TestDoctorListeners(t *testing.T) {
	try(t, checkListeners, []diagnosis{
		{"well", nil, nil, OK, "open: tls, https, web; for this machine alone: tcp, http, rest"},
		{"lan", []string{"exposure=lan"}, func(_ *testing.T, p *Patient) {
			p.Machine.Addrs = func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("10.0.0.5")}, nil }
		}, OK, "open: tcp, tls, http, https, web, rest"},
		{"lan on a public address", []string{"exposure=lan"}, nil, Warning, "with the public address 192.0.2.20"},
		{"internet", []string{"exposure=internet"}, nil, OK, "open: tls, https, web"},
		{"8087 without 8080", []string{"exposure=lan", "listen.http=127.0.0.1:8080"}, nil, Warning, "listen.http is open to this machine alone: clients without encryption"},
		{"8080 without 8087", []string{"exposure=lan", "listen.tcp="}, nil, Warning, "there is no plain CoT beside it"},
		{"no web", []string{"listen.web="}, nil, Warning, "none can get one by enrolment"},
		{"no https", []string{"listen.https="}, nil, Warning, "ask for their groups there"},
		{"no tls", []string{"listen.tls="}, nil, Warning, "have nowhere to connect"},
		{"tls for this machine alone", []string{"listen.tls=127.0.0.1:8089"}, nil, Warning, "have nowhere to connect"},
		{"nothing", []string{"listen.tcp=", "listen.tls=", "listen.https="}, nil, Fault, "no client can connect"},
		{"for this machine alone", []string{"listen.tls=127.0.0.1:8089", "listen.https=127.0.0.1:8443", "listen.web=127.0.0.1:8446"}, nil, Note, "only this machine can connect"},
		{"plain tokens", []string{"exposure=lan", "rest.insecure=true"}, nil, Warning, "tokens can be read on the way"},
		{"closed while it runs", nil, func(_ *testing.T, p *Patient) {
			p.running().Running.Listeners[4] = RunningListener{"web", "", "closed: was stopped"}
		}, Warning, "none can get one by enrolment"},
	})
	try(t, checkOpen, []diagnosis{
		{"free", nil, nil, OK, "all can be opened"},
		{"taken", nil, func(_ *testing.T, p *Patient) { p.Machine = made(":8089") }, Fault, "listen.tls: port 8089 is taken by nginx (process 712)"},
		{"for root", []string{"listen.web=0.0.0.0:80"}, nil, Fault, "port 80 is for root alone"},
		{"nobody can tell", nil, func(_ *testing.T, p *Patient) { p.AskErr = errors.New("no") }, OK, ""},
		{"open", nil, run, OK, "all are open"},
		{"on a free port", []string{"listen.tcp=127.0.0.1:0"}, func(_ *testing.T, p *Patient) { p.running().Running.Listeners[0].Addr = "127.0.0.1:4711" }, OK, "all are open"},
		{"on all addresses", nil, func(_ *testing.T, p *Patient) { p.running().Running.Listeners[1].Addr = "[::]:8089" }, OK, "all are open"},
		{"closed", nil, func(_ *testing.T, p *Patient) {
			p.running().Running.Listeners[1] = RunningListener{"tls", "", "closed: port 8089 is taken"}
		}, Fault, "listen.tls is closed: port 8089 is taken"},
		{"elsewhere", nil, func(_ *testing.T, p *Patient) { p.running().Running.Listeners[1].Addr = "0.0.0.0:18089" }, Note, "is open on 0.0.0.0:18089"},
	})
}

func TestDoctorHost(t *testing.T) {
	at := func(p *Patient, now time.Time) { p.Now = func() time.Time { return now } }
	try(t, checkClock, []diagnosis{
		{"well", nil, run, OK, "20"},
		{"not set", nil, func(_ *testing.T, p *Patient) { at(p, time.Unix(1000, 0)) }, Fault, "certificates made now would be of no use"},
		{"behind its files", nil, func(t *testing.T, p *Patient) { p.put(t, "state.db", 0o600); at(p, time.Now().Add(-time.Hour)) }, Warning, "state.db was written on"},
		{"set since the start", nil, func(_ *testing.T, p *Patient) { p.running().Running.Uptime = 50 * time.Minute }, Note, "was set by 10m0s since the server started"},
		{"alone", nil, func(_ *testing.T, p *Patient) {
			p.Synced = func(context.Context) (bool, bool) { return false, true }
		}, Warning, "no time server"},
		{"nobody knows", nil, func(_ *testing.T, p *Patient) {
			p.Synced = func(context.Context) (bool, bool) { return false, false }
		}, OK, "20"},
	})
	disk := func(free, total uint64) func(*testing.T, *Patient) {
		return func(_ *testing.T, p *Patient) {
			p.FreeDisk = func(string) (uint64, uint64, error) { return free, total, nil }
		}
	}
	try(t, checkDisk, []diagnosis{
		{"well", nil, nil, OK, "100.0 GB free"},
		{"low", []string{"archive.max=0"}, disk(5e8, 8e9), Warning, "only 500.0 MB are free"},
		{"very low", nil, disk(5e8, 80e9), Fault, "nothing is archived"},
		{"less than the archive may take", []string{"archive.max=50GB"}, disk(20e9, 100e9), Warning, "may grow to 50.0 GB"},
		{"database elsewhere", []string{"archive.max=50GB", "database=postgres://u@db/x"}, disk(20e9, 1000e9), OK, "20.0 GB free"},
		{"cannot be told", nil, func(_ *testing.T, p *Patient) {
			p.FreeDisk = func(string) (uint64, uint64, error) { return 0, 0, errors.New("no; idea") }
		}, Warning, "no; idea"},
	})
}

func TestDoctorDatabase(t *testing.T) {
	look := func(l store.Look, err error) func(*testing.T, *Patient) {
		return func(_ *testing.T, p *Patient) {
			p.Look = func(context.Context, string, string) (store.Look, error) { return l, err }
		}
	}
	try(t, checkDatabase, []diagnosis{
		{"well", nil, nil, OK, "SQLite 3"},
		{"none yet", nil, look(store.Look{Empty: true, Engine: "SQLite"}, nil), OK, "the first start makes the tables"},
		{"older", nil, look(store.Look{Pending: 1, Engine: "SQLite 3"}, nil), Note, "the next start brings it"},
		{"newer", nil, look(store.Look{Newer: []string{"0099 of state"}}, nil), Fault, "from a newer version"},
		{"away", nil, look(store.Look{}, errors.New("connect to db: refused; is it running?")), Fault, "refused; is it running?"},
		{"in use", nil, run, OK, "the server works with it"},
		{"full", nil, func(_ *testing.T, p *Patient) { p.running().Running.Archive = "the disk is full" }, Fault, "events are not archived: the disk is full"},
	})
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	people := func(change func(*People)) func(*testing.T, *Patient) {
		return func(_ *testing.T, p *Patient) { change(&p.running().Running.People) }
	}
	try(t, checkPeople, []diagnosis{
		{"well", nil, run, OK, "1 users, 0 tokens"},
		{"nobody yet", nil, nil, Warning, "there is no administrator"},
		{"without a password", nil, people(func(w *People) { w.Users[0].HasPassword = false }), Warning, "there is no administrator"},
		{"disabled", nil, people(func(w *People) { w.Users[0].Disabled = true }), Warning, "there is no administrator"},
		{"ended", nil, people(func(w *People) { w.Users[0].Expires = &past }), Warning, "there is no administrator"},
		{"a weak token", nil, people(func(w *People) { w.Tokens = []identity.Token{{User: "node", Weak: true}} }), Warning, "that may be guessed: of node"},
		{"a weak token that has ended", nil, people(func(w *People) { w.Tokens = []identity.Token{{User: "node", Weak: true, Expires: &past}} }), OK, "1 tokens"},
		{"one for many", nil, people(func(w *People) { w.Users = append(w.Users, identity.User{Name: "Client", Expires: &soon}) }), Note, "one certificate for many"},
		{"cannot be read", nil, look(store.Look{}, errors.New("away")), OK, ""},
	})
}

// authorities makes authorities with a server's certificate, each once, as keys
// take a while.
type authorities struct {
	dir  string
	made map[string]bool
}

func newAuthorities(t *testing.T) *authorities { return &authorities{t.TempDir(), map[string]bool{}} }

// give copies the one for a name to the patient, in the time of which d has gone
// since.
func (a *authorities) give(name string, d time.Duration, more ...func(*Patient)) func(*testing.T, *Patient) {
	return func(t *testing.T, p *Patient) {
		t.Helper()
		from, to := filepath.Join(a.dir, name), filepath.Join(p.Config.Data, "pki")
		if !a.made[name] {
			k, err := pki.Open(pki.Options{Dir: from, CALife: 10 * 365 * day, Names: func() []string { return []string{name} }})
			if err != nil {
				t.Fatal(err)
			}
			k.Close()
			a.made[name] = true
		}
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		for name, mode := range map[string]os.FileMode{"": 0o700, "ca.key": 0o600, "server.key": 0o600} { // CopyFS opens them
			if err := os.Chmod(filepath.Join(to, name), mode); err != nil {
				t.Fatal(err)
			}
		}
		now := time.Now().Add(d)
		p.Now = func() time.Time { return now }
		for _, f := range more {
			f(p)
		}
	}
}

func TestDoctorCertificates(t *testing.T) {
	const name = "tak.example.org"
	a := newAuthorities(t)
	in := func(p *Patient, name string) string { return filepath.Join(p.Config.Data, "pki", name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	runs := func(p *Patient) { p.running() }
	noList := func(p *Patient) { must(os.Remove(in(p, "crl.pem"))) }
	try(t, checkAuthority, []diagnosis{
		{"well", nil, a.give(name, 0), OK, "are good"},
		{"none yet", nil, nil, OK, "the first start makes"},
		{"another name", nil, a.give("old.example.org", 0), Note, "is not for tak.example.org"},
		{"another name while it runs", nil, a.give("old.example.org", 0, runs), Warning, "is not for tak.example.org"},
		{"a server's near its end", nil, a.give(name, 355*day), Note, "the server's certificate ends in"},
		{"a server's near its end while it runs", nil, a.give(name, 353*day, runs, noList), Warning, "the server's certificate ends in"},
		{"a server's that ended while it runs", nil, a.give(name, 400*day, runs, noList), Fault, "the server's certificate ended on"},
		{"a list that is old", nil, a.give(name, 200*day, runs), Fault, "out of date since"},
		{"a list that is old, and nothing runs", nil, a.give(name, 200*day), Note, "the next start signs it again"},
		{"an authority with less than a client's life", nil, a.give(name, 9*365*day+100*day), Note, "before certificates that are issued now would"},
		{"an authority near its end", nil, a.give(name, 10*365*day-10*day), Warning, "the authority ends in"},
		{"half an authority", nil, a.give(name, 0, func(p *Patient) { must(os.Remove(in(p, "ca.key"))) }), Fault, "ca.key: no such file"},
		{"keys that do not fit", nil, a.give(name, 0, func(p *Patient) { must(os.Rename(in(p, "server.key"), in(p, "ca.key"))) }), Fault, "private key does not match"},
		{"no authority", nil, a.give(name, 0, func(p *Patient) {
			must(errors.Join(os.Rename(in(p, "server.key"), in(p, "ca.key")), os.Rename(in(p, "server.pem"), in(p, "ca.pem"))))
		}), Fault, "is not the certificate of an authority"},
		{"a list that is none", nil, a.give(name, 0, func(p *Patient) {
			must(os.WriteFile(in(p, "crl.pem"), []byte("-----BEGIN X509 CRL-----\neHg=\n-----END X509 CRL-----\n"), 0o600))
		}), Fault, "cannot be read"},
		{"others' authority", []string{"tls.client_ca=/nowhere.pem"}, a.give(name, 0), Fault, "/nowhere.pem"},
		{"the operator's own, that is not there", []string{"tls.cert=/nowhere.pem", "tls.key=/nowhere.key"}, a.give(name, 0), Fault, "/nowhere.pem"},
	})
	own := func(d time.Duration, more ...func(*Patient)) func(*testing.T, *Patient) {
		return a.give(name, d, append([]func(*Patient){func(p *Patient) {
			p.Config.Web = config.Web{Certificate: config.WebFiles, Cert: in(p, "server.pem"), Key: in(p, "server.key")}
		}}, more...)...)
	}
	acme := func(there bool, d time.Duration) func(*testing.T, *Patient) {
		return func(t *testing.T, p *Patient) {
			a.give(name, d, runs)(t, p)
			p.Config.Web.Certificate = config.WebACME
			if there {
				b, err := os.ReadFile(in(p, "server.pem"))
				must(err)
				must(os.WriteFile(p.put(t, "acme/certificates/acme-v02/"+name+"/"+name+".crt", 0o600), b, 0o600))
			}
		}
	}
	try(t, checkWeb, []diagnosis{
		{"own", nil, nil, OK, "iTAK does not enrol"},
		{"closed", []string{"listen.web="}, nil, OK, ""},
		{"files", nil, own(0), OK, "good"},
		{"files for another name", nil, own(0, func(p *Patient) { p.Config.Public = []string{"other.example.org"} }), Warning, "is not for other.example.org"},
		{"files that do not fit", nil, own(0, func(p *Patient) { p.Config.Web.Key = in(p, "ca.key") }), Fault, "private key does not match"},
		{"files near their end", nil, own(360 * day), Fault, "ends in 4 days"},
		{"acme", nil, acme(true, 0), OK, "good"},
		{"acme without one", nil, acme(false, 0), Warning, "no certificate for tak.example.org yet"},
		{"acme that is not renewed", nil, acme(true, 352*day), Warning, "the certificate for tak.example.org ends in 12 days"},
	})
}

// All checks together, on what a real set-up makes, change nothing.
func TestDiagnoseChangesNothing(t *testing.T) {
	p := patient(t)
	plan := newPlan(t, TextValue("data", p.Config.Data), ListValue("public", []string{"tak.example.org"}))
	plan.Admin = &Admin{"boss", goodPassword[1:]}
	if _, err := plan.Write(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	newAuthorities(t).give("tak.example.org", 0)(t, p)
	p.Look, p.FreeDisk = store.LookAt, store.FreeDisk
	before := state(t, p.Config.Data)
	all := Diagnose(t.Context(), p)
	if worst := Worst(all); worst != OK && !strings.Contains(fmt.Sprint(all), "are free") {
		t.Errorf("got %v:\n%v", worst, all)
	}
	seen := map[string]bool{}
	for _, f := range all {
		seen[f.Check] = true
	}
	for _, c := range checks() {
		if !seen[c.name] && c.name != "plugins" { // which only a server has
			t.Errorf("nothing is said about %s", c.name)
		}
	}
	after := state(t, p.Config.Data)
	for path, is := range after {
		if before[path] != is {
			t.Errorf("%s: was %s, is %s", path, before[path], is)
		}
	}
	if len(after) != len(before) {
		t.Errorf("there were %d files, and are %d", len(before), len(after))
	}
	p.Config, p.ConfigErr = nil, errors.New("no")
	if all := Diagnose(t.Context(), p); len(all) != 1 || all[0].Level != Fault {
		t.Errorf("without a configuration: got %v", all)
	}
}
