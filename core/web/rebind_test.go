package web

import (
	"io"
	"net/http"
	"testing"
)

// A page whose name was made to lead to this machine gets nothing of what the
// anonymous user may see.
func TestNamesOnLoopback(t *testing.T) {
	e := newEstate(t, Options{PublicURL: func(string) string { return "https://tak.example.org:8443" }})
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "[::1]:8080": 200, "192.0.2.9": 200, "tak.localhost": 200, "TAK.example.org": 200, "localhost.": 200,
		"evil.example": 421, "evil.example:8080": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+e.Addr(httpListener).String()+"/Marti/who", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: got %d %s, %v, want %d", host, resp.StatusCode, body, err, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
