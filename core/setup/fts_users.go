package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
)

// The tables of a FreeTAKServer with its users (spec/persistence.md 2).
const (
	systemUsers = "SystemUser"
	apiUsers    = "APIUsers"
)

// What its REST API, in core/fts, calls the tokens and users that it makes, so
// that it finds these again.
const (
	systemTokenName = "FreeTAKServer system user"
	apiTokenName    = "FreeTAKServer API user"
	deviceAPI       = "api"
)

// The user that every FreeTAKServer is delivered with, whose password and token
// everybody knows.
const (
	seedUID      = "1"
	seedName     = "admin"
	seedPassword = "password"
	seedToken    = "token"
)

// person is a user to be taken over.
type person struct {
	name      string // that he should have here
	user      identity.User
	was       string // name and uid there, as its certificate is called
	password  string // in clear; empty: none
	token     string
	tokenName string
	certs     []ftsCert
}

// readUsers reads the users out of the database.
func (s *ftsSettings) readUsers(ctx context.Context, r *Report) ([]*person, error) {
	kind := s.get("FTS_DATABASE_TYPE", "SQLite")
	path := s.path("FTS_DB_PATH", "FTSDataBase.db")
	if !strings.EqualFold(kind, "SQLite") || strings.Contains(path, "@") {
		r.left("users in MySQL", `this program cannot read that database. Take them along by hand: mysql --batch -e "SELECT name, '' AS full_name, password, '' AS groups, 'user' AS roles FROM SystemUser" DATABASE | tr '\t' ',' > users.csv, then takhost user import users.csv; tokens: takhost token new NAME`)
		return nil, nil
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		r.left("users", "there is no database %s (FTS_DB_PATH)", path)
		return nil, nil
	}
	rows, err := store.ReadTable(ctx, path, systemUsers)
	if err != nil && store.CodeOf(err) != store.NotFound {
		return nil, err
	}
	if err != nil {
		r.left("system users", "the database has no table %s", systemUsers)
	}
	var all []*person
	for _, row := range rows {
		if p := systemUser(row, r); p != nil {
			all = append(all, p)
		}
	}
	rows, err = store.ReadTable(ctx, path, apiUsers)
	if err != nil && store.CodeOf(err) != store.NotFound {
		return nil, err
	}
	before := len(all)
	for _, row := range rows {
		all = addAPIUser(all, row, r)
	}
	if len(all) > before {
		r.taken("API users", "are operators: what is for administrators, such as adding users, needs takhost user set NAME --role admin")
	}
	return all, nil
}

// systemUser makes a user of a row. The group is a colour of the team and no
// routing group: without any he is in __ANON__, where all of them were.
func systemUser(row map[string]string, r *Report) *person {
	name, uid := row["name"], row["uid"]
	what := "user " + cmp.Or(name, uid)
	p := &person{
		was: name + uid, password: row["password"], token: row["token"], tokenName: systemTokenName,
		user: identity.User{
			Name: plainName(name), Roles: []string{identity.RoleUser}, UID: uid,
			Team: row["group"], Device: strings.ToLower(row["device_type"]),
		},
	}
	if p.user.Team == "1" || p.user.Team == "True" { // the column's odd default
		p.user.Team = ""
	}
	if p.user.Name == "" {
		r.left(what, "has no name that could be used")
		return nil
	}
	if p.user.Name != name {
		r.weak(what, "is called %s here: a name is of letters, digits and . _ - @", p.user.Name)
	}
	if uid == seedUID && name == seedName {
		if p = seed(p, r); p == nil {
			return nil
		}
	}
	if isKnownToAll(p.password) {
		r.left(what+", password", "everybody knows it: set one with takhost user passwd %s", word(p.user.Name))
		p.password = ""
	}
	if isKnownToAll(p.token) {
		r.left(what+", token", "everybody knows it: make one with takhost token new %s", word(p.user.Name))
		p.token = ""
	}
	return p
}

// seed looks at the user that was delivered. With the values that it came with it
// is nobody's; else it is an operator, as its token is what the web interface of
// FreeTAKServer works with.
func seed(p *person, r *Report) *person {
	if p.password == seedPassword && (p.token == seedToken || p.token == "") {
		r.left("user admin", "it has the password and token that every FreeTAKServer is delivered with. Programs that use them need a token of their own: takhost token new")
		return nil
	}
	p.user.Roles = []string{identity.RoleOperator}
	r.taken("user admin", "is an operator: he looks after users' devices and the operation, but not the server (takhost user set admin --role admin)")
	return p
}

func isKnownToAll(secret string) bool {
	return slices.Contains([]string{seedPassword, seedToken, "admin", "supersecret", "changeme", "YourWebsocketKey", "Bearer token"}, secret)
}

// addAPIUser makes a user of a row, or gives the token to the one of that name.
//
// Who has such a token may do everything on FreeTAKServer's REST API. Here he is
// an operator and no administrator: these tokens stand in clear in a database and
// in the settings of other programs, and an administrator of this server may do
// what nobody could there, such as install code and issue certificates.
func addAPIUser(all []*person, row map[string]string, r *Report) []*person {
	name, token := row["username"], row["token"]
	what := "API user " + cmp.Or(name, "without a name")
	plain := plainName(name)
	switch {
	case plain == "":
		r.left(what, "has no name that could be used")
		return all
	case token == "":
		r.left(what, "has no token, and is nothing else")
		return all
	case isKnownToAll(token):
		r.left(what, "everybody knows its token: make a user and a token with takhost user add, takhost token new")
		return all
	}
	p := &person{token: token, tokenName: apiTokenName, user: identity.User{Name: plain, Roles: []string{identity.RoleOperator}, Device: deviceAPI}}
	return append(all, p) // a system user of the same name may be somebody else, with fewer rights
}

// plainName makes a name that can be one here of any text.
func plainName(name string) string {
	var b strings.Builder
	n := 0
	for _, c := range strings.TrimSpace(name) {
		switch {
		case n == 64:
		case unicode.IsLetter(c), unicode.IsDigit(c), c == '_', n > 0 && (strings.ContainsRune(".-@ ", c) || unicode.IsMark(c)):
			b.WriteRune(c)
			n++
		default:
			b.WriteByte('_')
			n++
		}
	}
	out := strings.TrimRight(b.String(), " ")
	if strings.Trim(out, "_") == "" {
		return ""
	}
	return out
}

// unique gives every user a name of his own: FreeTAKServer's need not be.
func unique(all []*person, taken func(p *person, name string) bool, r *Report) {
	fold := strings.ToLower
	seen := map[string]bool{}
	for _, p := range all {
		if p.name == "" {
			p.name = p.user.Name
		}
		p.user.Name = p.name
		for n := 2; seen[fold(p.user.Name)] || taken(p, p.user.Name); n++ {
			p.user.Name = fmt.Sprintf("%s-%d", shortened(p.name, 60), n)
		}
		if p.user.Name != p.name {
			r.weak("user "+p.name, "there is another of that name: this one (%s) is called %s here", cmp.Or(p.user.UID, "an API user"), p.user.Name)
		}
		seen[fold(p.user.Name)] = true
	}
}

func shortened(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
