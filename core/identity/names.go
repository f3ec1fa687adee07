package identity

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

const (
	maxName   = 64  // characters
	maxFolded = 256 // bytes
	maxText   = 256 // bytes of full names, descriptions and the like
	maxDevice = 256 // bytes of a client uid
)

// fold gives the form in which names are compared: without case, and with each
// character in its one composed form; the wide and other forms of a letter count
// as the letter, or two users would look the same in print.
func fold(name string) string {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			// A Caser must not be shared between goroutines.
			return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
		}
	}
	return strings.ToLower(name) // name itself if it is in lower case
}

// checkName refuses names that would not survive as a CN, a path segment, a file
// name or a CSV field.
func checkName(what, name string) error {
	switch n := utf8.RuneCountInString(name); {
	case name == "":
		return invalid("%s: needs a name", what)
	case !utf8.ValidString(name):
		return invalid("%s: its name is not valid text", what)
	case n > maxName || len(fold(name)) > maxFolded:
		return invalid("%s: its name is longer than %d characters", what, maxName)
	}
	for i, r := range name {
		inside := strings.ContainsRune("._-@ ", r) || unicode.IsMark(r)
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '_':
		case !inside:
			return invalid("%s %q: %q must not be in a name: letters, digits, and . _ - @ and space inside may", what, name, r)
		case i == 0:
			return invalid("%s %q: a name begins with a letter, a digit or _", what, name)
		}
	}
	if strings.HasSuffix(name, " ") {
		return invalid("%s %q: a name does not end in a space", what, name)
	}
	return nil
}

// checkText refuses what is too long or holds control characters.
func checkText(what, text string) error {
	switch {
	case len(text) > maxText:
		return invalid("%s: longer than %d bytes", what, maxText)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return invalid("%s: holds what is not text", what)
	}
	return nil
}

func checkDevice(uid string) error {
	if len(uid) > maxDevice || !utf8.ValidString(uid) || strings.ContainsFunc(uid, unicode.IsControl) {
		return invalid("client uid: must be text of at most %d bytes", maxDevice)
	}
	return nil
}

// rolesInOrder lists the roles that a user may have.
var rolesInOrder = []string{RoleAdmin, RoleOperator, RoleUser, RoleReadonly}

// checkRoles gives the roles in their order, each once.
func checkRoles(roles []string) ([]string, error) {
	var got []string
	for _, known := range rolesInOrder {
		if slices.Contains(roles, known) {
			got = append(got, known)
		}
	}
	for _, r := range roles {
		if !slices.Contains(rolesInOrder, r) {
			return nil, invalid("role %q: there are %s", r, strings.Join(rolesInOrder, ", "))
		}
	}
	if len(got) == 0 {
		got = []string{RoleUser}
	}
	if slices.Contains(got, RoleReadonly) && len(got) > 1 {
		return nil, invalid("role %s: has no other role beside it", RoleReadonly)
	}
	return slices.Clip(got), nil
}
