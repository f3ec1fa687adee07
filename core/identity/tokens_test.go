package identity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

func (b *bed) token(secret, addr string) string {
	c, err := b.ByToken(b.t.Context(), secret, addr)
	if err == nil {
		return c.User
	}
	return outcome(err)
}

func TestTokens(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	end := start.Add(time.Hour)
	made, secret, err := b.NewToken(t.Context(), admin, TokenSpec{User: "ANNA", Name: "feed", Expires: &end})
	must(t, err)
	if !strings.HasPrefix(secret, "tak_") || len(secret) != 4+43 {
		t.Errorf("got secret %q", secret)
	}
	_, own, err := b.NewToken(t.Context(), admin, TokenSpec{User: "anna", Name: "own", Secret: "my-own-token"})
	must(t, err)
	for range 2 {
		if got := b.token(secret, home) + ", " + b.token(own, home); got != "anna, anna" {
			t.Errorf("got %s", got)
		}
		tokens := b.Tokens("Anna")
		if len(tokens) != 2 || tokens[0].Weak || !tokens[1].Weak || !tokens[0].Used.Equal(b.clock.now()) {
			t.Errorf("tokens: got %+v", tokens)
		}
		b.clock.add(10 * time.Minute)
		must(t, b.Sweep(t.Context()))
		b.open()
		if used := b.Tokens("")[0].Used; used.IsZero() {
			t.Error("the time of last use was not stored")
		}
	}
	b.clock.add(time.Hour)
	if got := b.token(secret, home); got != "wrong" {
		t.Errorf("after its end: got %s", got)
	}
	b.clock.add(endedFor + time.Hour)
	must(t, b.Sweep(t.Context()))
	if tokens := b.Tokens(""); len(tokens) != 1 || tokens[0].Name != "own" {
		t.Errorf("long after its end: got %+v", tokens)
	}
	wantCode(t, "RemoveToken", b.RemoveToken(t.Context(), admin, made.ID), store.NotFound)
	must(t, b.RemoveToken(t.Context(), admin, b.Tokens("")[0].ID))
	if got := b.token(own, home); got != "wrong" {
		t.Errorf("after its removal: got %s", got)
	}
	for k, body := range b.store.snapshot() {
		if strings.Contains(string(body), secret) || strings.Contains(string(body), own) {
			t.Errorf("record %v has a secret", k)
		}
	}
}

func TestTokensThatAreRefused(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	must(t, second3(b.NewToken(t.Context(), admin, TokenSpec{User: "anna", Secret: "in-use-already"})))
	past := start.Add(-time.Second)
	for _, tt := range []struct {
		name string
		spec TokenSpec
		code store.Code
	}{
		{"nobody", TokenSpec{User: "bert"}, store.NotFound},
		{"short", TokenSpec{User: "anna", Secret: "1234567"}, store.Invalid},
		{"FreeTAKServer's", TokenSpec{User: "anna", Secret: "token"}, store.Invalid},
		{"well known", TokenSpec{User: "anna", Secret: "password"}, store.Invalid},
		{"in use", TokenSpec{User: "anna", Secret: "in-use-already"}, store.Conflict},
		{"like ours", TokenSpec{User: "anna", Secret: "tak_12345678"}, store.Invalid},
		{"like a JWT", TokenSpec{User: "anna", Secret: "eyJabcdefgh"}, store.Invalid},
		{"space", TokenSpec{User: "anna", Secret: "a b c d e f"}, store.Invalid},
		{"over", TokenSpec{User: "anna", Expires: &past}, store.Invalid},
		{"name", TokenSpec{User: "anna", Name: "\x01"}, store.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) { wantCode(t, "NewToken", second3(b.NewToken(t.Context(), admin, tt.spec)), tt.code) })
	}
	for i := range maxTokens - 1 {
		must(t, second3(b.NewToken(t.Context(), admin, TokenSpec{User: "anna", Name: fmt.Sprint(i)})))
	}
	wantCode(t, "one more", second3(b.NewToken(t.Context(), admin, TokenSpec{User: "anna"})), store.Limit)
}

func second3[A, B any](_ A, _ B, err error) error { return err }

// Values that somebody chose can be guessed; an address that tries many is locked
// out. One that tries the same again is not, nor are our own ever.
func TestGuessedTokens(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Attempts = 1 })
	b.addUser("anna")
	must(t, second3(b.NewToken(t.Context(), admin, TokenSpec{User: "anna", Secret: "my-own-token"})))
	_, good, err := b.NewToken(t.Context(), admin, TokenSpec{User: "anna"})
	must(t, err)
	for range 50 {
		if got := b.token("token", home) + b.token("tak_xyz", home) + b.token("eyJ.x.y", home) + b.token("tks_", home) + b.token("", home); got != strings.Repeat("wrong", 5) {
			t.Fatalf("the same again: got %s", got)
		}
	}
	for i := range addrTimes - 1 {
		if got := b.token(fmt.Sprint("guess", i), home); got != "wrong" {
			t.Fatalf("guess %d: got %s", i, got)
		}
	}
	if got := b.token("my-own-token", home) + ", " + b.token("my-own-token", away) + ", " + b.token(good, home); got != "wait 1m0s, anna, anna" {
		t.Errorf("after many guesses: got %s", got)
	}
	if b.log.count("guess") != 0 || b.log.count("locked out") != 1 {
		t.Errorf("got log\n%s", b.log)
	}
}

func TestSessions(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	caller, err := b.CallerOf("anna")
	must(t, err)
	made, secret, err := b.NewSession(t.Context(), caller, home)
	must(t, err)
	want := Session{ID: made.ID, User: "anna", Addr: home, Created: start, Used: start, Expires: start.Add(130 * time.Minute)}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("NewSession (-want +got):\n%s", diff)
	}
	b.open()
	if got := b.token(secret, away); got != "anna" {
		t.Errorf("got %s", got)
	}
	must(t, b.EndSession(t.Context(), secret))
	wantCode(t, "EndSession again", b.EndSession(t.Context(), secret), store.NotFound)
	if got := b.token(secret, home); got != "wrong" {
		t.Errorf("after its end: got %s", got)
	}
	_, _, err = b.NewSession(t.Context(), b.Anonymous(), home)
	wantCode(t, "session of nobody", err, store.NotFound)
	_, first, err := b.NewSession(t.Context(), caller, home)
	must(t, err)
	for range maxSessions {
		b.clock.add(time.Second)
		must(t, second3(b.NewSession(t.Context(), caller, home)))
	}
	if n := len(b.Sessions("anna")); n != maxSessions || b.token(first, home) != "wrong" {
		t.Errorf("got %d sessions, want %d without the first", n, maxSessions)
	}
	must(t, b.SetPassword(t.Context(), admin, "anna", "another one"))
	if n := len(b.Sessions("")); n != 0 {
		t.Errorf("got %d sessions after a new password", n)
	}
	must(t, second3(b.NewSession(t.Context(), caller, home)))
	b.clock.add(3 * time.Hour)
	must(t, b.Sweep(t.Context()))
	for k := range b.store.snapshot() {
		if k.kind == kindSession {
			t.Errorf("session %s is still stored", k.id)
		}
	}
}

func TestAccessToken(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	caller, err := b.CallerOf("anna")
	must(t, err)
	token, expires, err := b.AccessToken(t.Context(), caller, home)
	must(t, err)
	if want := start.Add(130 * time.Minute); !expires.Equal(want) {
		t.Errorf("got end %v, want %v", expires, want)
	}
	parts := strings.Split(token, ".")
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	must(t, err)
	if string(header) != `{"alg":"RS256","typ":"JWT"}` || len(header)%3 != 0 {
		t.Errorf("got header %s", header)
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	must(t, err)
	var claims map[string]any
	must(t, json.Unmarshal(body, &claims))
	wantClaims := map[string]any{
		"sub": "anna", "aud": "takhost", "jti": b.Sessions("")[0].ID, "iat": float64(start.Unix()), "nbf": float64(start.Unix()), "exp": float64(expires.Unix()),
	}
	if diff := cmp.Diff(wantClaims, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if strings.Count(string(body), "}") != 1 {
		t.Errorf("claims are not flat: %s", body)
	}
	if got := b.token(token, home); got != "anna" {
		t.Errorf("got %s", got)
	}
	if b.Sessions("")[0].Bearer != true {
		t.Error("the session does not say that it is one of an access token")
	}
	b.clock.add(131 * time.Minute)
	if got := b.token(token, home); got != "wrong" {
		t.Errorf("after its end: got %s", got)
	}
	b.clock.add(-131 * time.Minute)
	must(t, b.EndSession(t.Context(), token))
	if got := b.token(token, home); got != "wrong" {
		t.Errorf("after its session: got %s", got)
	}
}

func TestForgedAccessTokens(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	b.addUser("root", withRoles("admin"))
	caller, err := b.CallerOf("anna")
	must(t, err)
	good, _, err := b.AccessToken(t.Context(), caller, home)
	must(t, err)
	cookie, _, err := b.NewSession(t.Context(), caller, home)
	must(t, err)
	var id string
	for _, in := range b.Sessions("") {
		if in.Bearer {
			id = in.ID
		}
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{"sub": "anna", "aud": audience, "jti": id, "exp": start.Add(time.Hour).Unix()}
		change(c)
		return c
	}
	plain := func(jwt.MapClaims) {}
	sign := func(m jwt.SigningMethod, key any, c jwt.MapClaims) string {
		s, err := jwt.NewWithClaims(m, c).SignedString(key)
		must(t, err)
		return s
	}
	pub, err := json.Marshal(testKey().PublicKey.N)
	must(t, err)
	for _, tt := range []struct{ name, token, want string }{
		{"signed by us", sign(jwt.SigningMethodRS256, testKey(), claims(plain)), "anna"},
		{"of another key", sign(jwt.SigningMethodRS256, other, claims(plain)), "wrong"},
		{"HMAC with the public key", sign(jwt.SigningMethodHS256, pub, claims(plain)), "wrong"},
		{"none", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(plain)), "wrong"},
		{"RS512", sign(jwt.SigningMethodRS512, testKey(), claims(plain)), "wrong"},
		{"PS256", sign(jwt.SigningMethodPS256, testKey(), claims(plain)), "wrong"},
		{"another user", sign(jwt.SigningMethodRS256, testKey(), claims(func(c jwt.MapClaims) { c["sub"] = "root" })), "wrong"},
		{"another audience", sign(jwt.SigningMethodRS256, testKey(), claims(func(c jwt.MapClaims) { c["aud"] = "x" })), "wrong"},
		{"without end", sign(jwt.SigningMethodRS256, testKey(), claims(func(c jwt.MapClaims) { delete(c, "exp") })), "wrong"},
		{"over", sign(jwt.SigningMethodRS256, testKey(), claims(func(c jwt.MapClaims) { c["exp"] = start.Add(-time.Hour).Unix() })), "wrong"},
		{"session of a cookie", sign(jwt.SigningMethodRS256, testKey(), claims(func(c jwt.MapClaims) { c["jti"] = cookie.ID })), "wrong"},
		{"no session", sign(jwt.SigningMethodRS256, testKey(), claims(func(c jwt.MapClaims) { c["jti"] = "x" })), "wrong"},
		{"cut", good[:len(good)-10], "wrong"},
		{"id of the session", id, "wrong"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.token(tt.token, home); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Whoever sends rubbish does not make the server make a key.
func TestKeyIsMadeWhenNeeded(t *testing.T) {
	asked, fault := 0, errors.New("no disk")
	b := newBed(t, func(o *Options) {
		o.Key = func(context.Context) (*rsa.PrivateKey, error) { asked++; return nil, fault }
	})
	b.addUser("anna")
	if got := b.token("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJqdGkiOiJ4In0.xx", home); got != "wrong" || asked != 0 {
		t.Errorf("got %s, asked for the key %d times", got, asked)
	}
	caller := &wire.Caller{User: "anna"}
	if _, _, err := b.AccessToken(t.Context(), caller, home); !errors.Is(err, fault) {
		t.Errorf("got %v, want %v", err, fault)
	}
	b.open(func(o *Options) { o.Key = nil })
	_, _, err := b.AccessToken(t.Context(), caller, home)
	wantCode(t, "without a key", err, store.Unavailable)
}

func FuzzByToken(f *testing.F) {
	b := newBed(f)
	b.addUser("anna")
	token, _, err := b.AccessToken(f.Context(), &wire.Caller{User: "anna"}, home)
	must(f, err)
	_, secret, err := b.NewSession(f.Context(), &wire.Caller{User: "anna"}, home)
	must(f, err)
	f.Add(token)
	f.Add(secret)
	f.Add("eyJ.e30.")
	f.Add("tak_")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := b.ByToken(t.Context(), s, home)
		if err == nil && s != secret && !strings.HasPrefix(s, token[:strings.LastIndexByte(token, '.')]) {
			t.Errorf("%q lets %s in", s, c.User)
		}
	})
}
