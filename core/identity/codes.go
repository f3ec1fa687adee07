package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"
)

// codeLetters leaves out what is mistaken for one another: I, L, O and U.
const codeLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	codeGroup  = 4
	codeLength = 4 * codeGroup // 80 bits: too much to guess, little enough to type
)

// newCode gives a code to type, such as 7KQM-2Z8D-XW4P-0HNC.
func newCode() (code string, hash digest) {
	var b [codeLength]byte
	_, _ = rand.Read(b[:]) // never fails
	var text strings.Builder
	for i, x := range b {
		if i > 0 && i%codeGroup == 0 {
			text.WriteByte('-')
		}
		text.WriteByte(codeLetters[x%byte(len(codeLetters))])
	}
	code = text.String()
	hash, _ = codeHash(code)
	return code, hash
}

// codeHash reads a code as people type it: in small letters, with spaces or
// without dashes, and with the letters that stand for digits. It is false for
// what is no code.
func codeHash(typed string) (hash digest, ok bool) {
	if len(typed) > 4*codeLength {
		return hash, false
	}
	b := make([]byte, 0, codeLength)
	for _, r := range strings.ToUpper(typed) {
		switch r {
		case '-', ' ':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if len(b) == codeLength || !strings.ContainsRune(codeLetters, r) {
			return hash, false
		}
		b = append(b, byte(r))
	}
	if len(b) != codeLength {
		return hash, false
	}
	return sha256.Sum256(b), true
}
