package identity

import (
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

func argonOf(password string) []byte {
	return argon2.IDKey([]byte(password), []byte("salt of tests"), 1, 8, 1, argonKey)
}

func TestCompare(t *testing.T) {
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	must(t, err)
	tests := []struct {
		name, hash, password string
		ok, old              bool
		fault                bool
	}{
		{name: "made here", hash: makeHash(password), password: password, ok: true},
		{name: "made here, wrong", hash: makeHash(password), password: password + " "},
		{name: "former parameters", hash: quickHash, password: password, ok: true, old: true},
		{name: "bcrypt", hash: string(b), password: password, ok: true, old: true},
		{name: "bcrypt, wrong", hash: string(b), password: "wrong"},
		{name: "bcrypt of PHP", hash: "$2y$" + string(b[4:]), password: password, ok: true, old: true},
		{name: "dummy", hash: dummyHash, password: ""},
		{name: "nothing", hash: "", fault: true},
		{name: "in the clear", hash: password, password: password, fault: true},
		{name: "broken bcrypt", hash: "$2a$10$short", fault: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ok, old, err := compare(tt.hash, tt.password)
			if ok != tt.ok || ok && old != tt.old || (err != nil) != tt.fault {
				t.Errorf("got %v, old %v, error %v; want %v, old %v, error %v", ok, old, err, tt.ok, tt.old, tt.fault)
			}
		})
	}
}

func TestHashesThatAskForTooMuch(t *testing.T) {
	good := strings.Split(quickHash, "$")
	with := func(i int, s string) string {
		parts := append([]string(nil), good...)
		parts[i] = s
		return strings.Join(parts, "$")
	}
	for _, hash := range []string{
		with(1, "argon2i"), with(2, "v=16"), with(3, "m=4000000,t=1,p=1"), with(3, "m=8,t=99,p=1"), with(3, "m=8,t=0,p=1"),
		with(3, "m=8,t=1,p=0"), with(3, "m=8,t=1,p=200"), with(3, "m=8"), with(4, "c2hvcnQ"), with(5, "c2hvcnQ"), with(5, "!"),
		"$2a$31$" + strings.Repeat("a", 53), "md5", "",
	} {
		if err := checkHash(hash); err == nil {
			t.Errorf("checkHash(%q): got no error", hash)
		}
	}
	if err := checkHash(quickHash); err != nil {
		t.Errorf("checkHash(%q): %v", quickHash, err)
	}
}

func TestCheckPassword(t *testing.T) {
	for _, tt := range []struct{ user, password, want string }{
		{"anna", "correct horse", ""},
		{"anna", "пароль123", ""},
		{"anna", "short", "at least 8"},
		{"anna", "пароль", "at least 8"},
		{"anna", "password", "everybody knows"},
		{"anna", "atakatak", "everybody knows"},
		{"Anna Berg", "anna berg", "name of the user"},
		{"anna", strings.Repeat("x", 257), "longer than 256"},
		{"anna", "12345678\xff", "not valid text"},
	} {
		err := checkPassword(tt.user, tt.password)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("checkPassword(%q, %q): got %v, want %q", tt.user, tt.password, err, tt.want)
		}
	}
}

func FuzzHash(f *testing.F) {
	f.Add(quickHash)
	f.Add(dummyHash)
	f.Add("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
	f.Fuzz(func(t *testing.T, hash string) {
		if h, err := parseArgon(hash); err == nil {
			again, err := parseArgon(h.String())
			if err != nil || again.String() != h.String() {
				t.Errorf("%q becomes %q and then %v, %v", hash, h, again, err)
			}
		}
		_ = checkHash(hash)
	})
}
