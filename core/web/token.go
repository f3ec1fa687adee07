package web

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// TokenFile is the name of the file in the data folder that has the token of
// listen.rest.
const TokenFile = "rest.token"

// A token that somebody wrote into the file himself has at least this length.
const minToken = 16

// LoadToken reads the token of listen.rest from the data folder. There is none
// at the first start: then it is made, in a file that only its owner may read,
// and made is true. The caller holds the lock of the folder.
func LoadToken(dir string) (token, path string, made bool, err error) {
	path = filepath.Join(dir, TokenFile)
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		token = strings.TrimSpace(string(b))
		if len(token) < minToken || strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' || c == ',' }) {
			return "", path, false, fmt.Errorf("%s has no token of at least %d printable characters: write one, or remove the file and a new one is made", path, minToken)
		}
		return token, path, false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", path, false, fmt.Errorf("read the token of listen.rest: %w", err)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return "", path, false, fmt.Errorf("make the token of listen.rest: %w", err)
	}
	token = base64.RawURLEncoding.EncodeToString(secret)
	if err := WritePrivate(path, token+"\n"); err != nil {
		return "", path, false, fmt.Errorf("write the token of listen.rest: %w", err)
	}
	return token, path, true, nil
}

// SharedToken says whether other users of the machine may read the file of the
// token, which somebody wrote himself then.
func SharedToken(path string) bool {
	info, err := os.Stat(path)
	return err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}

// WritePrivate writes a file that is there whole or not at all.
func WritePrivate(path, content string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if _, err := f.WriteString(content); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// TokenAuth is the Authenticator of one token, whose caller is the
// administrator. It keeps the token's hash alone.
type TokenAuth struct {
	hash [sha256.Size]byte
	all  func() hostapi.SetID
}

var _ Authenticator = (*TokenAuth)(nil)

// NewTokenAuth takes the token, and what gives the set of all groups; nil is
// that of __ANON__.
func NewTokenAuth(token string, all func() hostapi.SetID) *TokenAuth {
	return &TokenAuth{hash: sha256.Sum256([]byte(token)), all: all}
}

// Authenticate implements Authenticator.
func (t *TokenAuth) Authenticate(r *http.Request) (*wire.Caller, error) {
	token, ok := bearerToken(r)
	if !ok {
		return nil, ErrNoCredentials
	}
	got := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(got[:], t.hash[:]) != 1 {
		return nil, ErrBadCredentials
	}
	return adminCaller(t.all), nil
}

// socketToken is how a browser brings its token to a WebSocket, where it cannot
// set a header: as the name of a subprotocol.
const socketToken = "bearer."

// bearerToken gives the token of a request.
func bearerToken(r *http.Request) (token string, ok bool) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, rest, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return "", false
		}
		return strings.TrimSpace(rest), true
	}
	if !isWebSocket(r) {
		return "", false
	}
	for _, h := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(h, ",") {
			if t, ok := strings.CutPrefix(strings.TrimSpace(p), socketToken); ok {
				return t, true
			}
		}
	}
	return "", false
}

func isWebSocket(r *http.Request) bool {
	return hasToken(r.Header.Get("Connection"), "upgrade") && hasToken(r.Header.Get("Upgrade"), "websocket")
}
