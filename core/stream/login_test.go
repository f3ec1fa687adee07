package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseAuth(t *testing.T) {
	long := `<auth><cot username="u" password="p" callsign="%s"/></auth>`
	fill := longestAuth - len(long) + len("%s")
	for _, c := range []struct {
		name, in string
		want     auth
		rest     string
		err      error
	}{
		{"whole", `<auth><cot username="u" password="p" uid="ANDROID-x" callsign="C"/></auth>`, auth{"u", "p", "ANDROID-x", "C"}, "", nil},
		{"with a prolog", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<auth><cot username='u' password='p'/></auth>", auth{user: "u", password: "p"}, "", nil},
		{"with a byte order mark", "\xef\xbb\xbf<auth><cot username='u' password='p'/></auth>", auth{user: "u", password: "p"}, "", nil},
		{"another order, an end tag, white space", " <auth >\n <cot password='p' username='u' ></cot>\n</auth>", auth{user: "u", password: "p"}, "", nil},
		{"end tag in any case", "<auth><cot username='u' password='p'/></AuTh>", auth{user: "u", password: "p"}, "", nil},
		{"entities", "<auth><cot username='J&#xF6;rg' password='a&lt;&amp;&quot;&apos;&gt;b'/></auth>", auth{user: "Jörg", password: `a<&"'>b`}, "", nil},
		{"something behind", "<auth><cot username='u' password='p'/></auth>\n<event", auth{user: "u", password: "p"}, "\n<event", nil},
		{"as long as may be", fmt.Sprintf(long, strings.Repeat("x", fill)), auth{"u", "p", "", strings.Repeat("x", fill)}, "", nil},
		{"one byte longer", fmt.Sprintf(long, strings.Repeat("x", fill+1)), auth{}, "", errAuthLong},
		{"without an end", "<auth>" + strings.Repeat(" ", longestAuth), auth{}, "", errAuthLong},
		{"a prolog without an end", "<?xml " + strings.Repeat(" ", longestAuth), auth{}, "", errAuthLong},
		{"an event", event(""), auth{}, "", errNoAuth},
		{"an event behind a prolog", "<?xml version='1.0'?>\n" + event(""), auth{}, "", errNoAuth},
		{"protocol bytes", "\xbf\x01\xbf", auth{}, "", errNoAuth},
		{"TLS on a plain listener", "\x16\x03\x01\x02\x00", auth{}, "", errNoAuth},
		{"a name that begins alike", "<authority/>", auth{}, "", errNoAuth},
		{"start tag in capitals", "<AUTH><cot username='u' password='p'/></AUTH>", auth{}, "", errNoAuth},
		{"no password", "<auth><cot username='u'/></auth>", auth{}, "", errAuthValues},
		{"empty password", "<auth><cot username='u' password=''/></auth>", auth{}, "", errAuthValues},
		{"no user", "<auth><cot password='p'/></auth>", auth{}, "", errAuthValues},
		{"no cot", "<auth></auth>", auth{}, "", errAuthValues},
		{"two", "<auth><cot username='u' password='p'/><cot username='v' password='p'/></auth>", auth{}, "", errAuthValues},
		{"not well-formed", "<auth><cot username='u' password='p'></auth>", auth{}, "", errAuthForm},
		{"unknown entity", "<auth><cot username='u' password='a&secret;'/></auth>", auth{}, "", errAuthForm},
		{"another auth inside", "<auth><auth><cot username='u' password='p'/></auth></auth>", auth{}, "", errAuthForm},
		{"another encoding", "<?xml version='1.0' encoding='UTF-16'?><auth><cot username='u' password='p'/></auth>", auth{}, "", errAuthForm},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The bytes may come one by one: until the end nothing is decided wrongly.
			for i := range len(c.in) - len(c.rest) {
				if _, n, err := parseAuth([]byte(c.in[:i])); n != 0 || err != nil && err != c.err {
					t.Fatalf("of the first %d bytes %d are taken, error %v", i, n, err)
				}
			}
			got, n, err := parseAuth([]byte(c.in))
			if err != c.err {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(auth{})); d != "" {
				t.Errorf("values (-want +got):\n%s", d)
			}
			if err == nil && c.in[n:] != c.rest {
				t.Errorf("%q is left, want %q", c.in[n:], c.rest)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

func FuzzParseAuth(f *testing.F) {
	f.Add("<?xml version=\"1.0\"?>\n<auth><cot username='u' password='p' uid='x' callsign='C'/></auth><event")
	f.Add("\xef\xbb\xbf<auth><cot username=\"&lt;\" password='p'/></AUTH>")
	f.Fuzz(func(t *testing.T, in string) {
		a, n, err := parseAuth([]byte(in))
		switch {
		case err != nil && (n != 0 || a != auth{}):
			t.Errorf("an error with %d bytes and %v", n, a)
		case n > longestAuth || n > len(in):
			t.Errorf("%d bytes of %d", n, len(in))
		case n > 0 && (a.user == "" || a.password == ""):
			t.Errorf("success without values: %v", a)
		case n == 0 && err == nil && len(in) >= longestAuth:
			t.Errorf("%d bytes, and more are asked for", len(in))
		}
		if n > 0 {
			if b, m, err := parseAuth([]byte(in[:n])); b != a || m != n || err != nil {
				t.Errorf("without what follows it reads as %v, %d, %v", b, m, err)
			}
		}
	})
}

const login = `<auth><cot username="u" password="hush-hush" uid="X" callsign="C"/></auth>`

// passwords makes a refuse function that knows one user, and keeps who came.
func passwords(seen *[]Peer) func(Peer) error {
	var mu sync.Mutex
	return func(p Peer) error {
		mu.Lock()
		defer mu.Unlock()
		*seen = append(*seen, p)
		if p.User != "u" || p.Password != "hush-hush" {
			return errors.New("wrong user name or password")
		}
		return nil
	}
}

func TestLogin(t *testing.T) {
	for _, c := range []struct{ name, first string }{
		{"alone", login},
		{"with a prolog", "<?xml version='1.0'?>\n" + login},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, nil)
			var seen []Peer
			b.router.refuse = passwords(&seen)
			addr := b.listenOn(ListenConfig{Name: "tcp", Login: true})
			x := b.dial(addr)
			x.write(c.first)
			x.greeted()
			y := b.dial(addr)
			y.write(c.first[:20])
			y.write(c.first[20:] + ping + numbered(1) + event("")[:100]) // what follows at once is not lost
			y.greeted()
			if e := y.event(); !strings.Contains(e, "takPong") {
				t.Errorf("got %s", e)
			}
			if e := x.event(); e != numbered(1) {
				t.Errorf("got %s", e)
			}
			y.write(event("")[100:])
			if e := x.event(); e != event("") {
				t.Errorf("got %s", e)
			}
			for _, p := range seen {
				if p.UID != "X" || p.Callsign != "C" || p.Listener != "tcp" || p.Conn == 0 || p.Addr == "" {
					t.Errorf("the router is told %+v", p)
				}
			}
		})
	}
}

func TestLoginThatFails(t *testing.T) {
	for _, c := range []struct{ name, sent, log string }{
		{"an event first", event(""), "is no <auth>"},
		{"too long", "<auth>" + strings.Repeat(" ", longestAuth), "longer than 1024 bytes"},
		{"half of it, then silence", login[:30], "not done within limits.handshake"},
		{"nothing", "", "not done within limits.handshake"},
		{"not well-formed", strings.Replace(login, `"hush-hush"`, `hush-hush`, 1), "not well-formed"},
		{"wrong password", strings.Replace(login, "hush-hush", "hush-hash", 1), "wrong user name or password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, func(o *Options) { o.Handshake = 200 * time.Millisecond })
			var seen []Peer
			b.router.refuse = passwords(&seen)
			x := b.dial(b.listenOn(ListenConfig{Name: "tcp", Login: true}))
			x.write(c.sent)
			if got, err := io.ReadAll(x); len(got) > 0 || err != nil && isTimeout(err) {
				t.Errorf("got %q, %v, want a silent close", got, err)
			}
			b.logged(c.log)
			b.logged("listener=tcp")
			if strings.Contains(b.log.String(), "hush") {
				t.Errorf("the log tells the password:\n%s", b.log)
			}
			if n := b.met.turnedAway.Load(); n != 1 {
				t.Errorf("counted %d", n)
			}
			if len(b.Connections()) != 0 {
				t.Error("the connection is still listed")
			}
		})
	}
}

// A refused join is no login alone: any reason closes the connection.
func TestRefusedJoin(t *testing.T) {
	b := newBed(t, nil)
	b.router.refuse = func(p Peer) error { return fmt.Errorf("the certificate of %s was revoked", "mallory") }
	x := b.dial(b.listen(nil))
	if got, err := io.ReadAll(x); len(got) > 0 || err != nil && isTimeout(err) {
		t.Errorf("got %q, %v", got, err)
	}
	b.logged(`connection refused`)
	b.logged(`the certificate of mallory was revoked`)
}

func TestCrowdOfLogins(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Connections, o.PerAddress, o.Handshake = 200, 200, time.Minute })
	var mu sync.Mutex
	now, most := 0, 0
	begun, release := make(chan struct{}, 100), make(chan struct{})
	b.router.refuse = func(Peer) error {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		begun <- struct{}{}
		<-release
		mu.Lock()
		now--
		mu.Unlock()
		return nil
	}
	addr := b.listenOn(ListenConfig{Name: "tcp", Login: true})
	var peers []*peer
	for range loginsAtOnce + 10 {
		p := b.dial(addr)
		p.write(login)
		peers = append(peers, p)
	}
	for range loginsAtOnce {
		<-begun
	}
	for b.waiting.Load() < 10 {
		time.Sleep(time.Millisecond)
	}
	close(release)
	for _, p := range peers {
		p.greeted()
	}
	if most != loginsAtOnce {
		t.Errorf("%d logins at once, want %d", most, loginsAtOnce)
	}
}

// Somebody may stop the server while others log in.
func TestStopDuringLogins(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Handshake = time.Hour })
	begun, release := make(chan struct{}, 100), make(chan struct{})
	b.router.refuse = func(Peer) error {
		begun <- struct{}{}
		<-release
		return nil
	}
	addr := b.listenOn(ListenConfig{Name: "tcp", Login: true})
	var peers []net.Conn
	for i := range loginsAtOnce + 5 {
		p := b.dial(addr)
		if i%4 != 0 || i > loginsAtOnce {
			p.write(login)
		}
		peers = append(peers, p)
	}
	<-begun
	stopped := make(chan struct{})
	go func() {
		b.Server.Close()
		close(stopped)
	}()
	<-b.closed
	close(release)
	<-stopped
	for _, p := range peers {
		if _, err := io.Copy(io.Discard, p); err != nil && isTimeout(err) {
			t.Error("the server keeps a connection")
		}
	}
}
