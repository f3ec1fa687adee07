package setup

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
)

// FTS is what a FreeTAKServer has that can be taken over. It was read, and
// nothing there is changed.
type FTS struct {
	Values []Value // of the configuration
	Report Report  // on what was read; Takeover adds what became of users

	people []*person
	ca     *authority
	server *x509.Certificate
}

// ReadFTS reads the settings of a FreeTAKServer, a file or the folder that has it,
// with the environment that beats it, and what they lead to: users, tokens,
// authority and certificates.
func ReadFTS(ctx context.Context, path string, environ []string, now time.Time) (*FTS, error) {
	s, err := readFTSSettings(path, environ)
	if err != nil {
		return nil, err
	}
	f := &FTS{}
	f.Values = s.configure(&f.Report)
	if f.people, err = s.readUsers(ctx, &f.Report); err != nil {
		return nil, fmt.Errorf("users of FreeTAKServer: %w", err)
	}
	if f.ca, f.people, f.server, err = s.readCerts(ctx, f.people, now, &f.Report); err != nil {
		return nil, err
	}
	s.data(&f.Report)
	return f, nil
}

// data reports the data that is not taken over.
func (s *ftsSettings) data(r *Report) {
	for _, d := range []struct{ setting, below, why string }{
		{"FTS_DATAPACKAGE_PATH", "FreeTAKServerDataPackageFolder", "not taken over: takhost files put --package FILE sends what is still needed"},
		{"", "enterprise_sync", "not taken over: takhost files put FILE sends what is still needed"},
		{"", "MissionRecords.db", "this version has no missions"},
		{"FTS_EXCHECK_PATH", "ExCheck", "this version has no ExCheck"},
		{"FTS_CLIENT_PACKAGES_PATH", "certs/clientPackages", "packages are made anew: takhost package NAME"},
	} {
		path := s.path(d.setting, filepath.FromSlash(d.below))
		if _, given := s.values[d.setting]; given {
			continue // has its line already
		}
		if _, err := os.Stat(path); err == nil {
			r.left(path, "%s", d.why)
		}
	}
}

// byInit is who sets up, for the audit.
var byInit = identity.Actor{Via: "init"}

// takeover puts users, tokens and certificates into ids. It may be done again:
// what is there already stays as it is. With try, passwords are checked and not
// hashed, which takes a while.
func (f *FTS) takeover(ctx context.Context, ids *identity.Service, try bool) (r Report, err error) {
	unique(f.people, func(p *person, name string) bool {
		u, there := ids.User(name)
		return there && !p.is(u)
	}, &r)
	for _, p := range f.people {
		if err := p.takeOver(ctx, ids, try, &r); err != nil {
			return r, err
		}
	}
	if f.server == nil {
		return r, nil
	}
	err = ids.AddCertificate(ctx, byInit, identity.NewCertificate(f.server, identity.KindServer, "", ""))
	if store.CodeOf(err) == store.Conflict {
		err = nil
	}
	return r, err
}

// is tells whether a user of this server is that person.
func (p *person) is(u identity.User) bool {
	switch {
	case p.user.Device == deviceAPI:
		return u.Device == deviceAPI
	case p.user.UID == "":
		return u.FullName == p.user.FullName
	case p.user.UID == seedUID:
		// Whoever is called admin here has just been made, or was there before.
		return strings.EqualFold(u.Name, seedName)
	}
	return u.UID == p.user.UID
}

// takeOver puts one person in.
func (p *person) takeOver(ctx context.Context, ids *identity.Service, try bool, r *Report) error {
	what, token := "user "+p.user.Name, p.token
	if u, there := ids.User(p.user.Name); there {
		p.user.Name = u.Name
		r.taken(what, "was here already, and stays as it is")
		if slices.Contains(u.Roles, identity.RoleAdmin) && token != "" && !owns(ctx, ids, u.Name, token) {
			r.left("token of "+u.Name, "he is an administrator here, and the token lay about in clear: make one with takhost token new %s", word(u.Name))
			token = ""
		}
	} else {
		added, err := p.add(ctx, ids, try, r)
		if err != nil || !added {
			return err
		}
	}
	if token != "" {
		if err := p.addToken(ctx, ids, r); err != nil {
			return err
		}
	}
	for _, c := range p.certs {
		if err := p.addCertificate(ctx, ids, c, r); err != nil {
			return err
		}
	}
	return nil
}

// add adds the user: without his password if that is too weak, and not at all if
// that does not help.
func (p *person) add(ctx context.Context, ids *identity.Service, try bool, r *Report) (added bool, err error) {
	what := "user " + p.user.Name
	n := identity.NewUser{User: p.user, Password: p.password}
	if fault := ids.CheckUsers([]identity.NewUser{n})[0]; fault != nil {
		n.Password = ""
		if again := ids.CheckUsers([]identity.NewUser{n})[0]; again != nil {
			r.left(what, "%v", again)
			return false, nil
		}
		r.left(what+", password", "%v: set one with takhost user passwd %s", fault, word(p.user.Name))
	}
	text := strings.Join(p.user.Roles, ", ")
	if p.user.Team != "" {
		text += ", team " + p.user.Team
	}
	if n.Password != "" {
		text += ", with password"
	}
	if try {
		n.Password = ""
	}
	if _, err := ids.AddUser(ctx, byInit, n); err != nil {
		return false, err
	}
	r.taken(what, "%s", text)
	return true, nil
}

// guessable is how many characters a token needs so that it is not told to be
// weak.
const guessable = 20

func (p *person) addToken(ctx context.Context, ids *identity.Service, r *Report) error {
	what := "token of " + p.user.Name
	_, _, err := ids.NewToken(ctx, byInit, identity.TokenSpec{User: p.user.Name, Name: p.tokenName, Secret: p.token})
	switch code := store.CodeOf(err); {
	case code == store.Conflict:
		if owns(ctx, ids, p.user.Name, p.token) {
			r.taken(what, "was here already")
			return nil
		}
		r.left(what, "somebody else has the same: make one with takhost token new %s", word(p.user.Name))
		return nil
	case code == store.Invalid, code == store.Limit:
		r.left(what, "%v: make one with takhost token new %s", err, word(p.user.Name))
		return nil
	case err != nil:
		return err
	case len(p.token) < guessable:
		r.weak(what, "goes on to work, but has only %d characters that somebody chose: replace it with takhost token new %s", len(p.token), word(p.user.Name))
		return nil
	}
	r.taken(what, "goes on to work")
	return nil
}

// owns reports whether a token is that user's.
func owns(ctx context.Context, ids *identity.Service, user, token string) bool {
	c, err := ids.ByToken(ctx, token, "")
	return err == nil && c.User == user
}

func (p *person) addCertificate(ctx context.Context, ids *identity.Service, c ftsCert, r *Report) error {
	rec := identity.NewCertificate(c.cert, identity.KindImported, p.user.Name, "")
	err := ids.AddCertificate(ctx, byInit, rec)
	switch code := store.CodeOf(err); {
	case code == store.Conflict: // recorded before
		return nil
	case code == store.Invalid:
		r.left("certificate of "+p.user.Name, "%v", err)
		return nil
	case err != nil:
		return err
	}
	if c.revoked {
		return ids.RevokeCertificate(ctx, byInit, rec.Serial, "revoked in FreeTAKServer")
	}
	return nil
}

// installAuthority copies the authority into a data folder that has none.
func (f *FTS) installAuthority(data string, r *Report) (installed bool, err error) {
	if f.ca == nil {
		return false, nil
	}
	dir := filepath.Join(data, "pki")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	for _, name := range []string{"ca.pem", "ca.key"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			r.left("authority", "there is %s already, which stays: certificates of FreeTAKServer open nothing unless it is the same", filepath.Join(dir, name))
			return false, err
		}
	}
	return true, f.ca.write(dir)
}

// Configure puts the settings into a draft. One that does not go with the others
// is reported.
func (f *FTS) Configure(d *Draft) {
	for _, v := range f.Values {
		if err := d.Set(v); err != nil {
			f.Report.left(v.Key+" "+v.Text, "%v", err)
		}
	}
}
