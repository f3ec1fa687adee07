package onboard

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/takhost/takhost/core/filename"
)

// FileName makes a file name without an extension of any text: of a login name,
// of a server's. What clients and file systems disagree about becomes a hyphen,
// and then six digits of a hash keep two names apart that would fall together.
// Every file that is named after something is named by this.
func FileName(s string) string {
	const longest = 48
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)), r == '_', r == '.' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String()[:min(b.Len(), longest)], ".-")
	if name == s && s != "" && !filename.IsDevice(name) {
		return name
	}
	sum := sha256.Sum256([]byte(s))
	switch {
	case name == "":
		name = "file"
	case filename.IsDevice(name):
		name = "file-" + name
	}
	return name + "-" + hex.EncodeToString(sum[:3])
}

// plain refuses text that cannot stand in XML or on one line.
func plain(what, s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %q: not UTF-8", what, s)
	}
	if i := strings.IndexFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == '\ufffe' || r == '\uffff'
	}); i >= 0 {
		return fmt.Errorf("%s %q: holds a control character", what, s)
	}
	return nil
}
