package proxy

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"testing"
)

func TestClientOf(t *testing.T) {
	const direct, theProxy = "203.0.113.5:5000", "192.0.2.1:4000"
	type h map[string][]string
	tests := []struct {
		name, remote string
		tls          bool
		header       h
		want         [3]string // address, scheme, host
	}{
		{"direct", direct, false, nil, [3]string{"203.0.113.5", "http", "own:8446"}},
		{"direct by TLS", direct, true, nil, [3]string{"203.0.113.5", "https", "own:8446"}},
		{"direct, headers made up", direct, false, h{"X-Forwarded-For": {"198.51.100.7"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil"}, "Forwarded": {"for=198.51.100.7"}}, [3]string{"203.0.113.5", "http", "own:8446"}},
		{"direct, IPv4 in IPv6", "[::ffff:203.0.113.5]:5000", false, nil, [3]string{"203.0.113.5", "http", "own:8446"}},
		{"unix socket", "@", false, h{"X-Forwarded-For": {"198.51.100.7"}}, [3]string{"@", "http", "own:8446"}},
		{"proxy without headers", theProxy, false, nil, [3]string{"192.0.2.1", "http", "own:8446"}},
		{"one proxy", theProxy, false, h{"X-Forwarded-For": {"198.51.100.7"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"tak.example.org"}}, [3]string{"198.51.100.7", "https", "tak.example.org"}},
		{"client made up the left", theProxy, false, h{"X-Forwarded-For": {"127.0.0.1, 10.0.0.1, 198.51.100.7"}}, [3]string{"198.51.100.7", "http", "own:8446"}},
		{"client made up a line", theProxy, false, h{"X-Forwarded-For": {"127.0.0.1", "198.51.100.7"}}, [3]string{"198.51.100.7", "http", "own:8446"}},
		{"two proxies", theProxy, false, h{"X-Forwarded-For": {"1.2.3.4, 198.51.100.7, 192.0.2.2"}, "X-Forwarded-Proto": {"ftp, https, http"}}, [3]string{"198.51.100.7", "https", "own:8446"}},
		{"all trusted", theProxy, false, h{"X-Forwarded-For": {"192.0.2.3, 192.0.2.2"}}, [3]string{"192.0.2.3", "http", "own:8446"}},
		{"nonsense last", theProxy, false, h{"X-Forwarded-For": {"198.51.100.7, unknown"}}, [3]string{"192.0.2.1", "http", "own:8446"}},
		{"nonsense before a proxy", theProxy, false, h{"X-Forwarded-For": {"<script>, 192.0.2.2"}}, [3]string{"192.0.2.2", "http", "own:8446"}},
		{"with ports", theProxy, false, h{"X-Forwarded-For": {"198.51.100.7:1234"}}, [3]string{"198.51.100.7", "http", "own:8446"}},
		{"IPv6 forms", theProxy, false, h{"X-Forwarded-For": {"[2001:db8::7]:1234, [2001:db8::8]"}}, [3]string{"2001:db8::8", "http", "own:8446"}},
		{"IPv4 in IPv6", theProxy, false, h{"X-Forwarded-For": {"::ffff:198.51.100.7"}}, [3]string{"198.51.100.7", "http", "own:8446"}},
		{"port apart", theProxy, false, h{"X-Forwarded-Host": {"tak.example.org"}, "X-Forwarded-Port": {"8446"}, "X-Forwarded-Proto": {"https"}}, [3]string{"192.0.2.1", "https", "tak.example.org:8446"}},
		{"usual port apart", theProxy, false, h{"X-Forwarded-Host": {"tak.example.org"}, "X-Forwarded-Port": {"443"}, "X-Forwarded-Proto": {"https"}}, [3]string{"192.0.2.1", "https", "tak.example.org"}},
		{"port in the host", theProxy, false, h{"X-Forwarded-Host": {"tak.example.org:1"}, "X-Forwarded-Port": {"2"}}, [3]string{"192.0.2.1", "http", "tak.example.org:1"}},
		{"IPv6 host", theProxy, false, h{"X-Forwarded-Host": {"[2001:db8::1]"}, "X-Forwarded-Port": {"8446"}}, [3]string{"192.0.2.1", "http", "[2001:db8::1]:8446"}},
		{"host that is none", theProxy, false, h{"X-Forwarded-Host": {"tak.example.org/evil"}, "X-Forwarded-Proto": {"javascript"}}, [3]string{"192.0.2.1", "http", "own:8446"}},
		{"host with a port that is none", theProxy, false, h{"X-Forwarded-Host": {"tak.example.org:99999"}}, [3]string{"192.0.2.1", "http", "own:8446"}},

		{"Forwarded", theProxy, false, h{"Forwarded": {`for=198.51.100.7;proto=https;host="tak.example.org:8446";by=192.0.2.1`}}, [3]string{"198.51.100.7", "https", "tak.example.org:8446"}},
		{"Forwarded, IPv6, case", theProxy, false, h{"Forwarded": {`For="[2001:db8::7]:4711"; Proto=HTTPS`}}, [3]string{"2001:db8::7", "https", "own:8446"}},
		{"Forwarded, a chain", theProxy, false, h{"Forwarded": {`for=1.2.3.4;host=evil, for="198.51.100.7";host=a`, `for=192.0.2.2;host=b`}}, [3]string{"198.51.100.7", "http", "a"}},
		{"Forwarded, hidden", theProxy, false, h{"Forwarded": {`for=198.51.100.7, for=_secret`}}, [3]string{"192.0.2.1", "http", "own:8446"}},
		{"Forwarded, separators in quotes", theProxy, false, h{"Forwarded": {`for=198.51.100.7;x="a,b;c\"d"`}}, [3]string{"198.51.100.7", "http", "own:8446"}},
		{"Forwarded, open quote", theProxy, false, h{"Forwarded": {`for="198.51.100.7`}}, [3]string{"192.0.2.1", "http", "own:8446"}},
		{"Forwarded beside X-Forwarded-For", theProxy, false, h{"X-Forwarded-For": {"198.51.100.7"}, "Forwarded": {"for=203.0.113.9;host=evil"}}, [3]string{"198.51.100.7", "http", "own:8446"}},
	}
	tr := trust(t, "192.0.2.0/24")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.remote, Host: "own:8446", Header: http.Header(tt.header)}
			if tt.tls {
				r.TLS = &tls.ConnectionState{}
			}
			addr, scheme, host := ClientOf(r, tr)
			if got := [3]string{addr, scheme, host}; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzClientOf: no header panics, and of what comes out each part is of its kind.
func FuzzClientOf(f *testing.F) {
	f.Add("198.51.100.7, 192.0.2.2", "https", "tak.example.org", "8446", "")
	f.Add("", "", "", "", `for="[2001:db8::7]:4711";proto=https;host="h:1", for=_x`)
	f.Add(",,", "a,b", "[::1]:", "0", `;=,"\`)
	tr := trust(f, "192.0.2.0/24")
	f.Fuzz(func(t *testing.T, xff, proto, host, port, fwd string) {
		h := http.Header{}
		for name, v := range map[string]string{"X-Forwarded-For": xff, "X-Forwarded-Proto": proto, "X-Forwarded-Host": host, "X-Forwarded-Port": port, "Forwarded": fwd} {
			if v != "" {
				h[name] = []string{v}
			}
		}
		addr, scheme, name := ClientOf(&http.Request{RemoteAddr: "192.0.2.1:4000", Host: "own", Header: h}, tr)
		if _, err := netip.ParseAddr(addr); err != nil {
			t.Errorf("address %q: %v", addr, err)
		}
		if scheme != "http" && scheme != "https" || !isHost(name) {
			t.Errorf("got scheme %q and host %q", scheme, name)
		}
		if got, _, _ := ClientOf(&http.Request{RemoteAddr: "203.0.113.5:1", Host: "own", Header: h}, tr); got != "203.0.113.5" {
			t.Errorf("an untrusted peer is believed to be %q", got)
		}
	})
}
