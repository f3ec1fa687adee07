package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// site is an HTTP server on loopback that is reached by any name: its network
// resolves all names to addrs and dials the server whatever the address.
type site struct {
	*httptest.Server
	addrs  []string
	dialed []string
	fail   string // addresses that do not answer
}

func newSite(b *bed, h http.HandlerFunc) *site {
	s := &site{Server: httptest.NewServer(h), addrs: []string{"93.184.215.14"}}
	b.Cleanup(s.Close)
	b.env.Network = s
	return s
}

func (s *site) LookupNetIP(_ context.Context, _, host string) (list []netip.Addr, err error) {
	if host == "nowhere.example" {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	for _, a := range s.addrs {
		list = append(list, netip.MustParseAddr(a))
	}
	return list, nil
}

func (s *site) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	s.dialed = append(s.dialed, address)
	if host, _, _ := net.SplitHostPort(address); host == s.fail {
		return nil, errors.New("connection refused")
	}
	return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
}

func hosts(patterns ...string) hostapi.Grants {
	return hostapi.Grants{hostapi.CapHTTPClient: {Hosts: patterns}}
}

func fetched(t testing.TB, payload []byte) (m wire.Fetched) {
	t.Helper()
	if err := m.Decode(payload); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFetch(t *testing.T) {
	b := newBed(t)
	newSite(b, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.WriteHeader(http.StatusTeapot)
		json.NewEncoder(w).Encode(map[string]any{
			"method": r.Method, "host": r.Host, "path": r.URL.String(), "body": string(body), "agent": r.UserAgent(),
			"key": r.Header.Get("Idempotency-Key"), "x": r.Header["X-Own"],
		})
	})
	p := b.plugin("p", hosts("hooks.example"))
	in := wire.Fetch{
		Method: "POST", URL: "http://hooks.example/a?b=c", Body: []byte("hello"), IdempotencyKey: "k-1",
		Headers: []wire.Pair{{Name: "x-own", Value: "1"}, {Name: "X-Own", Value: "2"}},
	}
	c := p.Begin(Options{ReadOnly: true})
	m := fetched(t, b.ok(c, hostapi.HostFetch, &in))
	if m.Status != 418 || m.ContentType != "application/json; charset=utf-8" || len(m.Tree) != 0 {
		t.Errorf("got %d, %q, tree of %d bytes", m.Status, m.ContentType, len(m.Tree))
	}
	if !slices.Contains(m.Headers, wire.Pair{Name: "x-two", Value: "1"}) || !slices.Contains(m.Headers, wire.Pair{Name: "x-two", Value: "2"}) {
		t.Errorf("headers %v", m.Headers)
	}
	var got map[string]any
	if err := json.Unmarshal(m.Body, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"method": "POST", "host": "hooks.example", "path": "/a?b=c", "body": "hello", "agent": "takhost/1.2.3", "key": "k-1", "x": []any{"1", "2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the server saw (-want +got):\n%s", diff)
	}
	in.As = wire.FetchAsTree
	m = fetched(t, b.ok(c, hostapi.HostFetch, &in))
	if got := hostapi.Tree(m.Tree).Root().Child("body").Text(); got != "hello" || len(m.Body) != 0 {
		t.Errorf("the tree's body is %q, and there are %d bytes", got, len(m.Body))
	}
	if c.Staged() || p.Counts().Fetches != 2 {
		t.Errorf("staged %v, %d fetches", c.Staged(), p.Counts().Fetches)
	}
}

func TestFetchRefusals(t *testing.T) {
	b := newBed(t)
	s := newSite(b, func(w http.ResponseWriter, r *http.Request) { t.Error("a request was sent") })
	p := b.plugin("p", hostapi.Grants{hostapi.CapHTTPClient: {Hosts: []string{"*.example", "odd.example:8443", "10.0.0.7:*"}, Methods: []string{"GET", "POST"}}})
	for _, tt := range []struct {
		name   string
		in     wire.Fetch
		opt    Options
		status hostapi.Status
		text   string
	}{
		{name: "another host", in: wire.Fetch{URL: "https://example.org/"}, status: hostapi.Forbidden, text: `"example.org:443" is not within what is granted: hosts of http.client is *.example, odd.example:8443, 10.0.0.7:*`},
		{name: "another port", in: wire.Fetch{URL: "https://a.example:22/"}, status: hostapi.Forbidden, text: "a.example:22"},
		{name: "another method", in: wire.Fetch{URL: "https://a.example/", Method: "DELETE"}, status: hostapi.Forbidden, text: "methods of http.client is GET, POST"},
		{name: "an inner address", in: wire.Fetch{URL: "http://10.0.0.8/"}, status: hostapi.Forbidden, text: "10.0.0.8:80"},
		{name: "no method", in: wire.Fetch{URL: "https://a.example/", Method: "G T"}, status: hostapi.Invalid, text: "no method"},
		{name: "connect", in: wire.Fetch{URL: "https://a.example/", Method: "CONNECT"}, status: hostapi.Invalid, text: "CONNECT"},
		{name: "no URL", in: wire.Fetch{URL: "http://a b/"}, status: hostapi.Invalid, text: "no URL"},
		{name: "empty", in: wire.Fetch{}, status: hostapi.Invalid, text: "http:// or https://"},
		{name: "file", in: wire.Fetch{URL: "file:///etc/passwd"}, status: hostapi.Invalid, text: "http:// or https://"},
		{name: "opaque", in: wire.Fetch{URL: "http:a.example"}, status: hostapi.Invalid, text: "http:// or https://"},
		{name: "no host", in: wire.Fetch{URL: "http:///x"}, status: hostapi.Invalid, text: "no host"},
		{name: "a user", in: wire.Fetch{URL: "http://u:p@a.example/"}, status: hostapi.Invalid, text: "user"},
		{name: "long URL", in: wire.Fetch{URL: "http://a.example/" + strings.Repeat("x", 9000)}, status: hostapi.Limit, text: "bytes"},
		{name: "large body", in: wire.Fetch{URL: "http://a.example/", Body: make([]byte, 5<<20)}, status: hostapi.Limit, text: "body"},
		{name: "header with a line break", in: wire.Fetch{URL: "http://a.example/", Headers: []wire.Pair{{Name: "a", Value: "b\r\nc: d"}}}, status: hostapi.Invalid, text: "cannot be sent"},
		{name: "no header", in: wire.Fetch{URL: "http://a.example/", Headers: []wire.Pair{{Name: "a b"}}}, status: hostapi.Invalid, text: "cannot be sent"},
		{name: "host header", in: wire.Fetch{URL: "http://a.example/", Headers: []wire.Pair{{Name: "hOST", Value: "inner"}}}, status: hostapi.Invalid, text: "the server's to set"},
		{name: "many headers", in: wire.Fetch{URL: "http://a.example/", Headers: make([]wire.Pair, 65)}, status: hostapi.Limit, text: "65 headers"},
		{name: "bad key", in: wire.Fetch{URL: "http://a.example/", IdempotencyKey: "a\nb"}, status: hostapi.Invalid, text: "idempotency"},
		{name: "negative timeout", in: wire.Fetch{URL: "http://a.example/", Timeout: -1}, status: hostapi.Invalid, text: "timeout"},
		{name: "file", in: wire.Fetch{URL: "http://a.example/", As: wire.FetchAsBlob}, status: hostapi.Forbidden, text: "the capability blobs is not granted"},
		{name: "file as body", in: wire.Fetch{URL: "http://a.example/", Blob: "ab"}, status: hostapi.Forbidden, text: "the capability blobs is not granted"},
		{name: "unknown form", in: wire.Fetch{URL: "http://a.example/", As: 9}, status: hostapi.Unsupported, text: "form 9"},
		{name: "trial", in: wire.Fetch{URL: "http://a.example/"}, opt: Options{Trial: true}, status: hostapi.Retry, text: "a trial"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b.refused(p.Begin(tt.opt), hostapi.HostFetch, &tt.in, tt.status, tt.text)
		})
	}
	if len(s.dialed) != 0 || p.Counts().Fetches != 0 {
		t.Errorf("dialled %v, counted %d", s.dialed, p.Counts().Fetches)
	}
}

// A name may be granted, and its address is looked at all the same.
func TestFetchAddresses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		grant  []string
		addrs  []string
		fail   string
		dialed string // addresses, in their order; empty: refused
	}{
		{name: "public", grant: []string{"a.example"}, addrs: []string{"93.184.215.14"}, dialed: "93.184.215.14:80"},
		{name: "public IPv6", grant: []string{"a.example"}, addrs: []string{"2606:2800::1"}, dialed: "[2606:2800::1]:80"},
		{name: "loopback", grant: []string{"a.example"}, addrs: []string{"127.0.0.1"}},
		{name: "loopback IPv6", grant: []string{"a.example"}, addrs: []string{"::1"}},
		{name: "mapped loopback", grant: []string{"a.example"}, addrs: []string{"::ffff:127.0.0.1"}},
		{name: "everything granted is not inside", grant: []string{"*", "*:*"}, addrs: []string{"192.168.1.1"}},
		{name: "metadata of clouds", grant: []string{"*:*"}, addrs: []string{"169.254.169.254"}},
		{name: "the address granted, too", grant: []string{"a.example", "192.168.1.1"}, addrs: []string{"192.168.1.1"}, dialed: "192.168.1.1:80"},
		{name: "the address of another port", grant: []string{"a.example", "192.168.1.1:8080"}, addrs: []string{"192.168.1.1"}},
		{name: "the range granted, too", grant: []string{"a.example", "192.168.*"}, addrs: []string{"192.168.1.1"}, dialed: "192.168.1.1:80"},
		{name: "another range", grant: []string{"a.example", "10.*"}, addrs: []string{"192.168.1.1"}},
		{name: "a range that says too little", grant: []string{"a.example", "1*"}, addrs: []string{"192.168.1.1"}},
		{name: "IPv6 range", grant: []string{"a.example", "[fd00:*]"}, addrs: []string{"fd00::7"}, dialed: "[fd00::7]:80"},
		{name: "those that may be dialled", grant: []string{"a.example"}, addrs: []string{"10.0.0.1", "93.184.215.14"}, dialed: "93.184.215.14:80"},
		{name: "the second, when the first is away", grant: []string{"a.example"}, addrs: []string{"93.184.215.14", "93.184.215.15"}, fail: "93.184.215.14",
			dialed: "93.184.215.14:80 93.184.215.15:80"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			s := newSite(b, func(w http.ResponseWriter, r *http.Request) {})
			s.addrs, s.fail = tt.addrs, tt.fail
			c := b.plugin("p", hosts(tt.grant...)).Begin(Options{})
			in := &wire.Fetch{URL: "http://a.example/"}
			if tt.dialed == "" {
				b.refused(c, hostapi.HostFetch, in, hostapi.Forbidden, "an address that is not public must be granted itself")
			} else if m := fetched(t, b.ok(c, hostapi.HostFetch, in)); m.Status != 200 {
				t.Errorf("status %d", m.Status)
			}
			if got := strings.Join(s.dialed, " "); got != tt.dialed {
				t.Errorf("dialled %q, want %q", got, tt.dialed)
			}
		})
	}
}

func TestPublicAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "93.184.215.14": true, "2606:2800::1": true, "64:ff9b::808:808": true, "2002:808:808::1": true, "::ffff:8.8.8.8": true,
		"0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "100.64.0.1": false, "127.0.0.1": false, "169.254.1.1": false, "172.16.0.1": false,
		"192.0.0.1": false, "192.0.2.1": false, "192.168.0.1": false, "198.18.0.1": false, "203.0.113.1": false, "224.0.0.1": false,
		"239.2.3.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::7f00:1": false, "fe80::1": false, "fec0::1": false, "fc00::1": false, "fd12::1": false, "ff02::1": false, "2001::1": false,
		"2001:db8::1": false, "64:ff9b::7f00:1": false, "64:ff9b::a00:1": false, "2002:7f00:1::": false, "2002:c0a8:101::": false, "::ffff:10.0.0.1": false,
	} {
		if got := isPublic(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: public is %v, want %v", addr, got, want)
		}
	}
	for pattern, want := range map[string]bool{
		"10.1.2.3": true, "10.1.2.3:8080": true, "10.*": true, "192.168.*:*": true, "[::1]": true, "[::1]:80": true, "[fd00:*]:443": true, "[fe80::1]": true,
		"*": false, "*:*": false, "1*": false, "*.1": false, "[*]": false, "[::*]": false, "localhost": false, "a.example": true, "x.example": false, "": false, "12": false,
	} {
		if got := namesAddress(pattern); got != want {
			t.Errorf("%q: names an address is %v, want %v", pattern, got, want)
		}
	}
}

func TestFetchRedirects(t *testing.T) {
	b := newBed(t)
	newSite(b, func(w http.ResponseWriter, r *http.Request) {
		to := r.URL.Query().Get("to")
		switch {
		case r.URL.Path == "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case to == "":
			fmt.Fprintf(w, "%s at %s%s", r.Method, r.Host, r.URL.Path)
		default:
			http.Redirect(w, r, to, http.StatusSeeOther)
		}
	})
	grant := hosts("a.example", "b.example")
	post := hostapi.Grants{hostapi.CapHTTPClient: {Hosts: []string{"a.example"}, Methods: []string{"POST"}}}
	for _, tt := range []struct {
		name, to string
		grants   hostapi.Grants
		status   hostapi.Status
		text     string
	}{
		{"same host", "/end", grant, hostapi.OK, "GET at a.example/end"},
		{"granted host", "http://b.example/end", grant, hostapi.OK, "GET at b.example/end"},
		{"another host", "http://c.example/end", grant, hostapi.Forbidden, "c.example:80"},
		{"an inner address", "http://127.0.0.1/", grant, hostapi.Forbidden, "127.0.0.1:80"},
		{"another scheme", "file:///etc/passwd", grant, hostapi.Invalid, "http:// or https://"},
		{"another method", "/end", post, hostapi.Forbidden, "methods of http.client is POST"},
		{"for ever", "/loop", grant, hostapi.Limit, "more than 5 redirects"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := b.plugin("p", tt.grants).Begin(Options{})
			a := b.do(c, hostapi.HostFetch, &wire.Fetch{Method: "POST", URL: "http://a.example/?to=" + url.QueryEscape(tt.to)})
			text := a.err.Message
			if a.status == hostapi.OK {
				m := fetched(t, a.payload)
				text = string(m.Body)
			}
			if a.status != tt.status || !strings.Contains(text, tt.text) {
				t.Errorf("got %v: %s, want %v: %s", a.status, text, tt.status, tt.text)
			}
		})
	}
}

func TestFetchTrees(t *testing.T) {
	b := newBed(t)
	newSite(b, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		io.WriteString(w, r.URL.Query().Get("body"))
	})
	c := b.plugin("p", hosts("a.example")).Begin(Options{})
	for _, tt := range []struct {
		typ, body string
		root      hostapi.NodeKind // NoNode: bytes
	}{
		{"application/json", `{"a":1}`, hostapi.NodeObject},
		{"application/problem+json; charset=utf-8", `[1]`, hostapi.NodeArray},
		{"text/xml", `<?xml version="1.0"?><a/>`, hostapi.NodeElement},
		{"application/xml", `<a/>`, hostapi.NodeElement},
		{"application/atom+xml", `<a/>`, hostapi.NodeElement},
		{"application/json", `{`, hostapi.NoNode},
		{"application/xml", `<a>`, hostapi.NoNode},
		{"application/json", ``, hostapi.NoNode},
		{"text/plain", `{"a":1}`, hostapi.NoNode},
		{"junk;;", `{"a":1}`, hostapi.NoNode},
	} {
		t.Run(tt.typ+" "+tt.body, func(t *testing.T) {
			q := url.Values{"type": {tt.typ}, "body": {tt.body}}
			m := fetched(t, b.ok(c, hostapi.HostFetch, &wire.Fetch{URL: "http://a.example/?" + q.Encode(), As: wire.FetchAsTree}))
			if got := hostapi.Tree(m.Tree).Root().Kind(); got != tt.root {
				t.Errorf("root is %v, want %v", got, tt.root)
			}
			if tt.root == hostapi.NoNode && string(m.Body) != tt.body {
				t.Errorf("body %q, want %q: it must not be lost", m.Body, tt.body)
			}
		})
	}
}

func TestFetchFaults(t *testing.T) {
	b := newBed(t)
	hang := make(chan struct{})
	s := newSite(b, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			w.Write(make([]byte, fetchBody+1))
		case "/hang":
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		case "/cut":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		}
	})
	defer close(hang)
	p := b.plugin("p", hosts("*.example"))
	for _, tt := range []struct {
		name   string
		in     wire.Fetch
		status hostapi.Status
		text   string
	}{
		{"a large answer", wire.Fetch{URL: "http://a.example/large"}, hostapi.Limit, "more than 4194304 bytes"},
		{"no answer", wire.Fetch{URL: "http://a.example/hang?token=secret", Timeout: 50_000}, hostapi.Retry, "no answer in time"},
		{"a cut answer", wire.Fetch{URL: "http://a.example/cut?token=secret", Method: "POST"}, hostapi.Retry, "EOF"},
		{"no such host", wire.Fetch{URL: "http://nowhere.example/"}, hostapi.Retry, "no such host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := p.Begin(Options{})
			a := b.do(c, hostapi.HostFetch, &tt.in)
			if a.status != tt.status || !strings.Contains(a.err.Message, tt.text) || strings.Contains(a.err.Message, "secret") {
				t.Errorf("got %v: %s, want %v: %s", a.status, a.err.Message, tt.status, tt.text)
			}
		})
	}
	t.Run("the call's deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, s := p.Begin(Options{}).Serve(ctx, hostapi.HostFetch, (&wire.Fetch{URL: "http://a.example/hang"}).Append(nil), nil)
		if s != hostapi.Retry {
			t.Errorf("got %v, want retry", s)
		}
	})
	if len(s.dialed) == 0 {
		t.Error("nothing was dialled")
	}
}

// Four requests of a plugin are under way at most, over all of its versions.
func TestFetchesAtOnce(t *testing.T) {
	b := newBed(t)
	started, end := make(chan struct{}, 10), make(chan struct{})
	addr := b.serverAddr(func(w http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		<-end
	})
	done := make(chan hostapi.Status, 10)
	for range fetchesAtOnce {
		p := b.plugin("p", hosts("127.0.0.1:*"))
		go func() {
			_, s := p.Begin(Options{}).Serve(t.Context(), hostapi.HostFetch, (&wire.Fetch{URL: "http://" + addr + "/"}).Append(nil), nil)
			done <- s
		}()
		<-started
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	p := b.plugin("p", hosts("127.0.0.1:*"))
	if _, s := p.Begin(Options{}).Serve(ctx, hostapi.HostFetch, (&wire.Fetch{URL: "http://" + addr + "/"}).Append(nil), nil); s != hostapi.Limit {
		t.Errorf("the fifth got %v, want limit", s)
	}
	close(end)
	for range fetchesAtOnce {
		if s := <-done; s != hostapi.OK {
			t.Errorf("got %v, want ok", s)
		}
	}
}

// serverAddr starts a server on the real loopback.
func (b *bed) serverAddr(h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	b.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// No proxy of the environment comes in between.
func TestFetchWithoutProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1/")
	b := newBed(t)
	s := newSite(b, func(w http.ResponseWriter, r *http.Request) {})
	b.ok(b.plugin("p", hosts("a.example")).Begin(Options{}), hostapi.HostFetch, &wire.Fetch{URL: "http://a.example/"})
	if !slices.Equal(s.dialed, []string{"93.184.215.14:80"}) {
		t.Errorf("dialled %v", s.dialed)
	}
}
