package identity

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// The parameters of new hashes, those that OWASP gives for argon2id. What a
// stored hash may ask for is bounded, as an import could ask for all memory.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32

	maxArgonMemory = 256 << 10 // KiB
	maxArgonTime   = 16
	maxBcryptCost  = 14 // some seconds
)

const (
	minPassword = 8   // characters
	maxPassword = 256 // bytes
)

// wellKnown are secrets that FreeTAKServer and TAK Server are delivered with, or
// that stand in their guides. They never let anybody in.
var wellKnown = []string{"password", "admin", "token", "atakatak", "Password", "Bearer token", "abc123"}

func isWellKnown(secret string) bool { return slices.Contains(wellKnown, secret) }

func checkPassword(user, password string) error {
	switch {
	case !utf8.ValidString(password):
		return invalid("password: is not valid text")
	case utf8.RuneCountInString(password) < minPassword:
		return invalid("password: needs at least %d characters", minPassword)
	case len(password) > maxPassword:
		return invalid("password: longer than %d bytes", maxPassword)
	case isWellKnown(password):
		return invalid("password: everybody knows this one; choose another")
	case fold(password) == fold(user):
		return invalid("password: is the name of the user; choose another")
	}
	return nil
}

// argonHash is a hash in PHC's form: $argon2id$v=19$m=…,t=…,p=…$salt$key.
type argonHash struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
	salt    []byte
	key     []byte
}

var phc = base64.RawStdEncoding

func (h *argonHash) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads,
		phc.EncodeToString(h.salt), phc.EncodeToString(h.key))
}

var errHash = errors.New("is neither argon2id in PHC's form nor bcrypt, or asks for too much")

func parseArgon(s string) (*argonHash, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, errHash
	}
	h := &argonHash{}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); n != 3 || err != nil {
		return nil, errHash
	}
	var err error
	if h.salt, err = phc.DecodeString(parts[4]); err != nil {
		return nil, errHash
	}
	if h.key, err = phc.DecodeString(parts[5]); err != nil {
		return nil, errHash
	}
	switch {
	case h.memory < 8*uint32(h.threads), h.memory > maxArgonMemory, h.time < 1, h.time > maxArgonTime, h.threads < 1,
		len(h.salt) < 8, len(h.salt) > 64, len(h.key) < 16, len(h.key) > 64:
		return nil, errHash
	}
	return h, nil
}

func isBcrypt(hash string) bool {
	return strings.HasPrefix(hash, "$2a$") || strings.HasPrefix(hash, "$2b$") || strings.HasPrefix(hash, "$2y$")
}

// checkHash refuses hashes that compare could not work with.
func checkHash(hash string) error {
	if isBcrypt(hash) {
		if cost, err := bcrypt.Cost([]byte(hash)); err != nil || cost > maxBcryptCost {
			return invalid("hash of the password: %v", errHash)
		}
		return nil
	}
	if _, err := parseArgon(hash); err != nil {
		return invalid("hash of the password: %v", err)
	}
	return nil
}

// makeHash takes some 20 ms and 19 MiB.
func makeHash(password string) string {
	h := argonHash{memory: argonMemory, time: argonTime, threads: argonThreads, salt: make([]byte, argonSalt)}
	_, _ = rand.Read(h.salt) // never fails
	h.key = argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, argonKey)
	return h.String()
}

// compare tells whether the password is that of the hash, and whether a new hash
// should be made of it.
func compare(hash, password string) (ok, old bool, err error) {
	if isBcrypt(hash) {
		err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
		switch {
		case err == nil:
			return true, true, nil
		case errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
			return false, false, nil
		}
		return false, false, err
	}
	h, err := parseArgon(hash)
	if err != nil {
		return false, false, err
	}
	key := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.key)))
	ok = subtle.ConstantTimeCompare(key, h.key) == 1
	old = h.memory != argonMemory || h.time != argonTime || h.threads != argonThreads || len(h.key) != argonKey
	return ok, old, nil
}

// dummyHash is compared with when there is no user, or none who may log in, so
// that the time of an answer does not tell. No password has it.
var dummyHash = (&argonHash{memory: argonMemory, time: argonTime, threads: argonThreads, salt: make([]byte, argonSalt), key: make([]byte, argonKey)}).String()
