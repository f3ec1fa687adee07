package setup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/server"
)

// shortFolder is one whose path is short enough for a socket in it.
func shortFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tak")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// takeOver sets a server up from a FreeTAKServer, in a folder of its own.
func takeOver(t *testing.T, f *ftsServer, admin *Admin) Done {
	t.Helper()
	fts, err := ReadFTS(t.Context(), filepath.Join(f.dir, ftsFile), nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDraft("")
	if err != nil {
		t.Fatal(err)
	}
	fts.Configure(d)
	dir := shortFolder(t)
	values := []Value{TextValue("data", filepath.Join(dir, "data"))}
	for _, name := range listeners {
		values = append(values, Value{"listen." + name, "127.0.0.1:0"})
	}
	if err := d.Set(values...); err != nil {
		t.Fatal(err)
	}
	plan := Plan{File: filepath.Join(dir, "takhost.yaml"), Draft: d, FTS: fts, Admin: admin}
	done, err := plan.Write(t.Context(), slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// serve starts a server on what was set up.
func serve(t *testing.T, file string) *server.Server {
	t.Helper()
	conf, err := config.Load(config.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(&conf.Config, server.Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test"})
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// connect opens listen.tls with a PKCS#12 file of FreeTAKServer, as a client that
// trusts what is in it, and waits for the first words of the server.
func (f *ftsServer) connect(srv *server.Server, name string) error {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.dir, "certs", name+".p12"))
	if err != nil {
		f.t.Fatal(err)
	}
	key, cert, cas, err := pkcs12.DecodeChain(b, p12Passwd)
	if err != nil {
		f.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	for _, ca := range cas {
		roots.AddCert(ca)
	}
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{
		RootCAs: roots, ServerName: "tak.example.org", Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}},
	}}
	nc, err := d.DialContext(ctx, "tcp", srv.Addr("tls").String())
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	const hello = `<event version="2.0" uid="OLD-PHONE" type="a-f-G" how="m-g" time="2026-01-01T00:00:00Z" start="2026-01-01T00:00:00Z" stale="2026-01-01T00:10:00Z">` +
		`<point lat="1" lon="2" hae="0" ce="9" le="9"/><detail><contact callsign="OLD"/></detail></event>`
	if _, err := io.WriteString(nc, hello); err != nil {
		return err
	}
	_, err = nc.Read(make([]byte, 1))
	return err
}

// me asks the REST API who a token's user is.
func me(t *testing.T, srv *server.Server, token string) (status int, name string, roles []string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+srv.Addr("rest").String()+"/api/v1/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		User, Name string
		Roles      []string
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	if body.User != "" {
		body.Name = body.User
	}
	return resp.StatusCode, body.Name, body.Roles
}

// What users of a FreeTAKServer have goes on to work on this server, and what was
// closed to them stays so.
func TestTakeOverWholeServer(t *testing.T) {
	f := newFTS(t, true)
	before := state(t, f.dir)
	done := takeOver(t, f, &Admin{"boss", "a long enough password"})
	if diff := cmp.Diff(before, state(t, f.dir)); diff != "" {
		t.Errorf("the folder of FreeTAKServer was changed:\n%s", diff)
	}

	// Somebody whose name a revoked certificate has does not make it good.
	log := slog.New(slog.DiscardHandler)
	o, err := OpenOffline(t.Context(), &done.Config.Config, log)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Identity.AddUser(t.Context(), byInit, identity.NewUser{User: identity.User{Name: "gone" + goneUID}}); err != nil {
		t.Error(err)
	}
	if err := o.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	srv := serve(t, done.Config.File)

	for _, name := range []string{"Client", "ann" + annUID} {
		if err := f.connect(srv, name); err != nil {
			t.Errorf("%s.p12: got %v, want a connection", name, err)
		}
	}
	for _, name := range []string{"gone" + goneUID, "ben" + benUID, "stranger", "server"} {
		if err := f.connect(srv, name); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s.p12: got %v, want it refused", name, err)
		}
	}

	for _, tt := range []struct {
		token, user, role string
		status            int
	}{
		{annToken, "ann", "user", 200},
		{"the-other-anns-token-9", "Ann-2", "user", 200},
		{"12345678", "ben", "user", 200},
		{nodeToken, "node", "operator", 200},
		{"shared-by-two-programs-1", "ben-2", "operator", 200},
		{"token", "", "", 401},
		{"nobodys-token-at-all-12", "", "", 401},
	} {
		status, user, roles := me(t, srv, tt.token)
		if got := strings.Join(roles, ","); status != tt.status || status == 200 && (user != tt.user || got != tt.role) {
			t.Errorf("token %s: got %d %s %s, want %d %s %s", tt.token, status, user, got, tt.status, tt.user, tt.role)
		}
	}
	if _, err := os.Stat(filepath.Join(done.Config.Data, server.SetupFile)); err == nil {
		t.Error("there is a set-up link although there is an administrator")
	}
}
