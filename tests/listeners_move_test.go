package tests

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// listener gives a listener as the list of them has it.
func listener(t *testing.T, a *taktest.Admin, name string) web.Listener {
	t.Helper()
	var all admin.ListenerList
	a.Must(t, "GET", "/api/v1/listeners", nil).Decode(t, &all)
	for _, l := range all.Listeners {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("there is no listener %s", name)
	return web.Listener{}
}

// freeAddr gives an address where nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	takclient.Must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// closedAt wants that nobody is there.
func closedAt(t *testing.T, addr string) {
	t.Helper()
	eventually(t, "nobody listens at "+addr, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

// Listeners move and stop while clients are connected, who stay; whoever comes
// later finds them at the new place or not at all.
func TestListenersMoveUnderClients(t *testing.T) {
	srv := wholeServer(t)
	addUser(t, srv.Admin, "ann")
	addUser(t, srv.Admin, "ben")
	dev, late := enrol(t, srv, "ann", "ANDROID-ann"), enrol(t, srv, "ben", "ANDROID-ben")
	ann, tcp := online(t, srv, dev), srv.Client(t)
	ws := takclient.DialWebSocket(t, "wss://"+srv.Addr("https")+"/takproto/1", dev.TLS(), nil, takclient.WithUID("WS-ann"))
	serves := func() {
		t.Helper()
		takclient.Must(t, ann.SA(1, 2))
		tcp.ExpectUID(t, dev.UID)
		takclient.Must(t, ws.SA(1, 2))
		tcp.ExpectUID(t, "WS-ann")
		takclient.Must(t, tcp.SA(3, 4))
		ann.ExpectUID(t, tcp.UID())
		ws.ExpectUID(t, tcp.UID())
	}
	serves()
	for _, name := range []string{"tls", "https", "web", "http", "tcp"} {
		was := srv.Addr(name)
		t.Run(name+" moves", func(t *testing.T) {
			now := freeAddr(t)
			srv.Must(t, "PUT", "/api/v1/listeners/"+name, admin.Address{Addr: now})
			if got := srv.Addr(name); got != now {
				t.Fatalf("it is at %q, want it at %q", got, now)
			}
			if l := listener(t, srv.Admin, name); l.State != "open" || l.Addr != now {
				t.Errorf("the list has %+v, want it open at %s", l, now)
			}
			closedAt(t, was)
		})
	}
	serves()
	ben := online(t, srv, late)
	askAt(t, srv, "https").certificate(late.Cert).get("/Marti/api/version").is(200)
	askAt(t, srv, "web").get("/docs").is(200)
	askAt(t, srv, "http").get("/Marti/api/version").is(200)

	for _, name := range []string{"tls", "https", "web", "http", "tcp"} {
		t.Run(name+" stops", func(t *testing.T) {
			was := srv.Addr(name)
			srv.Must(t, "POST", "/api/v1/listeners/"+name+"/stop", nil)
			closedAt(t, was)
			if l := listener(t, srv.Admin, name); !strings.HasPrefix(l.State, "closed") || l.Addr != "" {
				t.Errorf("the list has %+v, want it closed", l)
			}
		})
	}
	serves()
	stays(t, ben)
	for _, name := range []string{"tls", "https", "web", "http", "tcp"} {
		srv.Must(t, "POST", "/api/v1/listeners/"+name+"/start", nil)
	}
	serves()
	stays(t, online(t, srv, late))
	askAt(t, srv, "https").certificate(late.Cert).get("/Marti/api/version").is(200)
	audited(t, srv.Admin, "listener.stop", "tls")
	audited(t, srv.Admin, "listener.move", "tls")
}

// An address that cannot be had leaves the listener where it is.
func TestListenerStaysWhenItCannotMove(t *testing.T) {
	srv := wholeServer(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	takclient.Must(t, err)
	defer other.Close()
	for _, name := range []string{"tls", "web"} {
		was := srv.Addr(name)
		for what, c := range map[string]struct {
			addr   string
			status int
			want   string
		}{
			"a taken one":  {other.Addr().String(), 409, "another program uses"},
			"no port":      {"127.0.0.1", 400, "listen." + name},
			"no such name": {"127.0.0.1:123456", 400, "listen." + name},
		} {
			answer, err := srv.Do("PUT", "/api/v1/listeners/"+name, admin.Address{Addr: c.addr})
			takclient.Must(t, err)
			if answer.Status != c.status || !strings.Contains(answer.Problem(), c.want) {
				t.Errorf("%s to %s: got %d %s, want %d and %q", name, what, answer.Status, answer.Body, c.status, c.want)
			}
			if _, err := net.Dial("tcp", was); err != nil || srv.Addr(name) != was {
				t.Errorf("%s after %s: it is at %s (%v), want %s", name, what, srv.Addr(name), err, was)
			}
		}
	}
	answer, err := srv.Do("POST", "/api/v1/listeners/nothing/stop", nil)
	takclient.Must(t, err)
	if answer.Status != 404 {
		t.Errorf("a listener that there is not: got %d", answer.Status)
	}
}

// A reload moves listeners as the file says, by signal, and changes the names of
// the certificate; a file that is wrong changes nothing.
func TestReloadMovesListeners(t *testing.T) {
	file := filepath.Join(t.TempDir(), "takhost.yaml")
	write := func(tls, web, public string) {
		t.Helper()
		takclient.Must(t, os.WriteFile(file, fmt.Appendf(nil,
			"listen: {tcp: '127.0.0.1:0', tls: '%s', http: '', https: '', web: '%s', rest: '127.0.0.1:0'}\npublic: [%s]\nplugins: {chat: {enabled: false}, emergency: {enabled: false}}\n",
			tls, web, public), 0o600))
	}
	write("127.0.0.1:0", "", publicName)
	srv := taktest.RunOnly(t, "--config", file)
	addUser(t, srv.Admin, "ann")
	dev := issue(t, srv.Admin, "ann", false)
	c := onlineAt(t, srv.Addr(t, "tls"), dev)
	was := srv.Addr(t, "tls")

	free := freeAddr(t)
	write(free, "127.0.0.1:0", "other.example.org")
	srv.Signal(t, syscall.SIGHUP)
	srv.Logged(t, "configuration read again")
	if got := srv.Addr(t, "tls"); got != free {
		t.Errorf("listen.tls is at %s, want %s", got, free)
	}
	closedAt(t, was)
	stays(t, c)
	onlineAt(t, free, dev).Sync(t)
	conf := dev.TLS()
	conf.ServerName = "other.example.org"
	for _, name := range []string{"tls", "web"} {
		conn, err := tls.Dial("tcp", srv.Addr(t, name), conf)
		if err != nil {
			t.Errorf("listen.%s by the new name: %v", name, err)
			continue
		}
		conn.Close()
	}

	takclient.Must(t, os.WriteFile(file, []byte("listen: {tcp: nowhere}\n"), 0o600))
	srv.Signal(t, syscall.SIGHUP)
	srv.Logged(t, "level=ERROR", "listen.tcp")
	if got := srv.Addr(t, "tls"); got != free {
		t.Errorf("after a wrong file listen.tls is at %s, want %s", got, free)
	}
	stays(t, c)
}
