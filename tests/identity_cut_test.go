package tests

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// cutWithin is how long somebody may stay whose right to be here has ended.
const cutWithin = time.Second

// held is a connection that goes on until the server ends it.
type held struct {
	what  string
	ended <-chan struct{}
}

// holdHTTP keeps an idle HTTP connection that has asked once. Its end is seen by
// its reader, as a browser's would.
func holdHTTP(t *testing.T, a *asker, path string) held {
	t.Helper()
	ended := make(chan struct{})
	conn := dialTLS(t, strings.TrimPrefix(a.base, "https://"), a.conf)
	req, err := http.NewRequest("GET", a.base+path, nil)
	takclient.Must(t, err)
	if a.show != nil {
		a.show(req)
	}
	takclient.Must(t, req.Write(conn))
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, req)
	takclient.Must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %s, want 200", path, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	takclient.Must(t, err)
	go func() {
		defer close(ended)
		_, _ = in.ReadByte() // what ends it does not matter
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return held{"an idle connection of " + a.base, ended}
}

// holdSSE watches by server-sent events.
func holdSSE(t *testing.T, a *asker, path string) held {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", a.base+path, nil)
	takclient.Must(t, err)
	a.show(req)
	resp, err := (&http.Client{Transport: &http.Transport{TLSClientConfig: a.conf, DisableKeepAlives: true}}).Do(req)
	takclient.Must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: got %s, want 200", path, resp.Status)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // what ends it does not matter
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return held{"live updates of " + a.base, ended}
}

func heldClient(what string, c *takclient.Client) held { return held{what, c.Done()} }

// cutBy does what ends a right, and wants that all of those are cut in time.
func cutBy(t *testing.T, do func(), all ...held) {
	t.Helper()
	for _, h := range all {
		select {
		case <-h.ended:
			t.Fatalf("%s was cut before", h.what)
		default:
		}
	}
	begun := time.Now()
	do()
	limit := time.NewTimer(takclient.DefaultWait)
	defer limit.Stop()
	for _, h := range all {
		select {
		case <-h.ended:
		case <-limit.C:
			t.Fatalf("%s goes on after %v", h.what, takclient.DefaultWait)
		}
	}
	if took := time.Since(begun); took > cutWithin && !raceDetector {
		t.Errorf("all were cut after %v, want it within %v", took, cutWithin)
	}
}

// stays wants that somebody is still served.
func stays(t *testing.T, c *takclient.Client) {
	t.Helper()
	c.Sync(t)
}

func TestRevokedCertificateIsCutEverywhere(t *testing.T) {
	srv := wholeServer(t)
	addUser(t, srv.Admin, "ann")
	addUser(t, srv.Admin, "ben")
	dev, other := enrol(t, srv, "ann", "ANDROID-ann"), enrol(t, srv, "ann", "ANDROID-ann-2")
	ben := online(t, srv, enrol(t, srv, "ben", "ANDROID-ben"))
	https := askAt(t, srv, "https").certificate(dev.Cert)
	c := online(t, srv, dev)
	second := online(t, srv, other)
	ws := takclient.DialWebSocket(t, "wss://"+srv.Addr("https")+"/takproto/1", dev.TLS(), nil, takclient.WithUID("WS-ann"))
	takclient.Must(t, c.SA(1, 2))
	ben.ExpectUID(t, dev.UID)
	takclient.Must(t, ws.SA(1, 2))
	ben.ExpectUID(t, "WS-ann")

	cutBy(t, func() {
		srv.Must(t, "POST", "/api/v1/certificates/"+serialOf(dev)+"/revoke", admin.Revoke{Reason: "phone lost"})
	}, heldClient("listen.tls", c), heldClient("the WebSocket", ws), holdHTTP(t, https, "/Marti/api/version"))
	srv.Logged(t, "its certificate was revoked", "listener=tls")
	for _, uid := range []string{dev.UID, "WS-ann"} {
		ben.Expect(t, takclient.Type("t-x-d-d").Both(takclient.Contains(uid)))
	}

	refusedAt(t, srv, "tls", dev, "revoked")
	refusedAt(t, srv, "https", dev, "revoked")
	stays(t, second) // another device of the same user
	stays(t, ben)
	if e := audited(t, srv.Admin, "certificate.revoke", serialOf(dev)); !e.OK || !strings.Contains(e.Detail, "phone lost") {
		t.Errorf("audit: got %+v, want the reason", e)
	}
	if crl := srv.Must(t, "GET", "/api/v1/crl", nil).Body; !strings.Contains(string(crl), "X509 CRL") {
		t.Errorf("revocation list: got %s", crl)
	}
	var list admin.RevocationPage
	srv.Must(t, "GET", "/api/v1/revocations", nil).Decode(t, &list)
	if len(list.Revocations) != 1 || list.Revocations[0].Serial != serialOf(dev) {
		t.Errorf("revocations: got %+v, want %s alone", list, serialOf(dev))
	}
	srv.Restart(t)
	refusedAt(t, srv, "tls", dev, "revoked")
	online(t, srv, other)
}

func TestUserWhoMayNotStayIsCutEverywhere(t *testing.T) {
	srv := wholeServer(t)
	disable, yes := admin.UserChange{}, true
	disable.Disabled = &yes
	for name, end := range map[string]func(user string){
		"disabled": func(user string) { srv.Must(t, "PATCH", "/api/v1/users/"+user, disable) },
		"removed":  func(user string) { srv.Must(t, "DELETE", "/api/v1/users/"+user, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			user := "cut-" + name
			addUser(t, srv.Admin, user)
			dev, token := enrol(t, srv, user, "ANDROID-"+name), newToken(t, srv.Admin, user)
			web := askAt(t, srv, "web").token(token)
			bearer := http.Header{"Authorization": {"Bearer " + token}}
			ws := takclient.DialWebSocket(t, "wss://"+srv.Addr("web")+"/takproto/1", web.conf, bearer)
			ws.Sync(t)
			c := online(t, srv, dev)
			cutBy(t, func() { end(user) },
				heldClient("listen.tls", c), heldClient("the WebSocket", ws), holdSSE(t, web, "/api/v1/live"))
			srv.Logged(t, "connection closed", c.LocalAddr().String(), map[string]string{"disabled": "its user was removed or disabled", "removed": "its certificate was revoked"}[name])
			srv.Logged(t, "connection closed", "listener=web", "its user was removed or disabled")
			web.get("/api/v1/me").is(401)
			reason := map[string]string{"disabled": "disabled", "removed": "revoked"}[name]
			refusedAt(t, srv, "tls", dev, reason)
			refusedAt(t, srv, "https", dev, reason)
		})
	}
}

// What a token, a session or an account has opened ends with it.
func TestEndOfALoginEndsWhatItWatches(t *testing.T) {
	srv := wholeServer(t)
	const password = "correct horse battery"
	addRole(t, srv.Admin, "ann", "user", password)
	web := askAt(t, srv, "web")
	login := func() string {
		resp := web.json("POST", "/api/v1/login", admin.Credentials{User: "ann", Password: password}).is(200)
		for _, c := range (&http.Response{Header: resp.header}).Cookies() {
			if c.Name == "access_token" {
				return c.Value
			}
		}
		t.Fatalf("the login gave no cookie: %v", resp.header)
		return ""
	}
	t.Run("a token is removed", func(t *testing.T) {
		var token admin.NewToken
		srv.Must(t, "POST", "/api/v1/tokens", admin.TokenInput{User: "ann"}).Decode(t, &token)
		watch := holdSSE(t, web.in(t).token(token.Secret), "/api/v1/live")
		cutBy(t, func() { srv.Must(t, "DELETE", "/api/v1/tokens/"+token.ID, nil) }, watch)
		web.in(t).token(token.Secret).get("/api/v1/me").is(401)
	})
	t.Run("a logout", func(t *testing.T) {
		secret := login()
		as := web.in(t).cookie(secret)
		watch := holdSSE(t, as, "/api/v1/live")
		cutBy(t, func() { as.ask("POST", "/api/v1/logout", "", "").is(204) }, watch)
		as.get("/api/v1/me").is(401)
	})
	t.Run("a new password", func(t *testing.T) {
		as := web.in(t).cookie(login())
		watch := holdSSE(t, as, "/api/v1/live")
		cutBy(t, func() {
			srv.Must(t, "PUT", "/api/v1/users/ann/password", admin.Password{Password: "another " + password})
		}, watch)
		as.get("/api/v1/me").is(401)
	})
}

// refusedAt wants that a device is refused at a listener, with a line in the log
// that says why.
func refusedAt(t *testing.T, srv *taktest.Server, listener string, dev *takclient.Enrolled, why string) {
	t.Helper()
	local, err := tryTLS(t, srv.Addr(listener), dev)
	if err == nil {
		t.Fatalf("%s was let in at listen.%s", dev.User, listener)
	}
	line := srv.Logged(t, "TLS handshake failed", "addr="+local, "listener="+listener, why)
	if !strings.Contains(line, "reason=") {
		t.Errorf("the log line has no reason of its own: %s", line)
	}
}

// tryTLS does a handshake and reads, as in TLS 1.3 a client learns of its refusal
// only then. No error means that the server was ready to serve.
func tryTLS(t *testing.T, addr string, dev *takclient.Enrolled) (local string, err error) {
	t.Helper()
	conn := dialTLSRaw(t, addr, dev.TLS())
	defer conn.Close()
	local = conn.LocalAddr().String()
	takclient.Must(t, conn.SetDeadline(time.Now().Add(takclient.DefaultWait)))
	if err := conn.Handshake(); err != nil {
		return local, err
	}
	// Listeners of HTTP answer this, those of CoT offer the TAK protocol anyhow.
	if _, err := io.WriteString(conn, "GET /Marti/api/version HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return local, err
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		if timeout := interface{ Timeout() bool }(nil); errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatalf("the server neither serves nor refuses: %v", err)
		}
		return local, err
	}
	return local, nil
}
