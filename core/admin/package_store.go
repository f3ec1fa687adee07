package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/store"
)

// PackageOptions say what packages are made of and where they are kept.
type PackageOptions struct {
	Dir      string // made when it is missing; packages in it hold private keys
	Identity *identity.Service
	PKI      *pki.PKI
	Password string // of the key stores in packages, unless a request has its own

	// Reach is what goes into packages that are kept; see Deps.
	Reach func() (onboard.Reach, error)
}

// Packages makes packages for clients. Some are kept, as FreeTAKServer's API
// makes a package with its user and hands it out later: files in a folder that
// nobody else may read, written whole or not at all.
type Packages struct {
	opt  PackageOptions
	root *os.Root
}

// PackageSpec says what a package shall hold.
type PackageSpec struct {
	User        string
	For         onboard.For
	Reach       onboard.Reach
	Certificate bool   // with a certificate of its own and its key; else the client enrols
	Password    string // of the key stores; empty: as configured
}

// OpenPackages takes the folder into use.
func OpenPackages(opt PackageOptions) (*Packages, error) {
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of packages: %w", err)
	}
	root, err := os.OpenRoot(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder of packages: %w", err)
	}
	p := &Packages{opt, root}
	if err := p.tidy(); err != nil {
		return nil, errors.Join(fmt.Errorf("tidy the folder of packages: %w", err), root.Close())
	}
	return p, nil
}

// tidy removes what a write left that did not end.
func (p *Packages) tidy() error {
	files, err := os.ReadDir(p.opt.Dir)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), unfinished) {
			err = errors.Join(err, p.root.Remove(f.Name()))
		}
	}
	return err
}

// unfinished is before the names of files that are being written.
const unfinished = ".new-"

// Close gives the folder back.
func (p *Packages) Close() error { return p.root.Close() }

// Make makes a package. A certificate in it is recorded before it leaves.
func (p *Packages) Make(ctx context.Context, by identity.Actor, s PackageSpec) (name string, zip []byte, err error) {
	u, ok := p.opt.Identity.User(s.User)
	if !ok {
		return "", nil, noUser(s.User)
	}
	if s.Password == "" {
		s.Password = p.opt.Password
	}
	if err := s.check(); err != nil {
		return "", nil, err
	}
	spec := onboard.Spec{For: s.For, Reach: s.Reach, Password: s.Password, User: u.Name, Team: u.Team}
	if spec.Trust, err = p.opt.PKI.TrustStore(s.Password); err != nil {
		return "", nil, fmt.Errorf("make the trust store: %w", err)
	}
	if s.Certificate {
		if spec.Client, err = p.issue(ctx, by, u, s.Password); err != nil {
			return "", nil, err
		}
	}
	if name, zip, err = onboard.Package(spec); err != nil {
		return "", nil, fmt.Errorf("make the package: %w", err)
	}
	detail := string(s.For)
	if s.Certificate {
		detail += ", with a certificate"
	}
	p.opt.Identity.Record(ctx, by, "package.make", u.Name, detail, true)
	return name, zip, nil
}

// check refuses what cannot become a package, before a certificate is made for
// it.
func (s *PackageSpec) check() error {
	switch {
	case s.For == onboard.ITAK && !s.Certificate:
		return &store.Error{Code: store.Invalid, Err: onboard.ErrITAKEnrol}
	case strings.ContainsFunc(s.Password, func(r rune) bool { return unicode.IsControl(r) || r > 0xffff }):
		// PKCS#12 writes passwords in two bytes a letter.
		return &store.Error{Code: store.Invalid, Msg: "password: it holds a control character, or one that key stores have no place for"}
	case s.Reach.Stream == 0:
		return &store.Error{Code: store.Unavailable, Msg: "listen.tls is closed"}
	case s.Reach.Enrol == 0 && !s.Certificate:
		return &store.Error{Code: store.Unavailable, Msg: "listen.web, where clients enrol, is closed"}
	}
	if err := s.Reach.Validate(); err != nil {
		return &store.Error{Code: store.Invalid, Err: err}
	}
	return nil
}

func (p *Packages) issue(ctx context.Context, by identity.Actor, u identity.User, password string) ([]byte, error) {
	pair, err := p.opt.PKI.Issue(ctx, pki.Leaf{CommonName: u.Name, Channels: true})
	if err != nil {
		return nil, fmt.Errorf("issue the certificate of %s: %w", u.Name, err)
	}
	keys, err := pair.PKCS12(password, false)
	if err != nil {
		return nil, fmt.Errorf("write the key store of %s: %w", u.Name, err)
	}
	c := identity.NewCertificate(pair.Cert, identity.KindPackage, u.Name, "")
	c.Channels = true
	return keys, p.opt.Identity.AddCertificate(ctx, by, c)
}

// Keep makes a package with a certificate for a user, for the device mobile or
// wintak, and keeps it. The name tells whose it is.
func (p *Packages) Keep(ctx context.Context, by identity.Actor, user, device string) (name string, err error) {
	if p.opt.Reach == nil {
		return "", &store.Error{Code: store.Unavailable, Msg: "it is not known where phones reach this server"}
	}
	reach, err := p.opt.Reach()
	if err != nil {
		return "", err
	}
	u, ok := p.opt.Identity.User(user)
	if !ok {
		return "", noUser(user)
	}
	client := onboard.ATAK
	if device == "wintak" {
		client = onboard.WinTAK
	}
	_, zip, err := p.Make(ctx, by, PackageSpec{User: u.Name, For: client, Reach: reach, Certificate: true})
	if err != nil {
		return "", err
	}
	name = keptName(u)
	return name, p.put(name, zip)
}

// put writes a file whole or not at all.
func (p *Packages) put(name string, zip []byte) error {
	tmp := unfinished + rand.Text()
	if err := p.write(tmp, zip); err != nil {
		_ = p.root.Remove(tmp) // the error that matters is the other one
		return fmt.Errorf("keep package %s: %w", name, err)
	}
	if err := p.root.Rename(tmp, name); err != nil {
		return fmt.Errorf("keep package %s: %w", name, err)
	}
	return nil
}

func (p *Packages) write(name string, data []byte) error {
	f, err := p.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// Read gives a package that is kept.
func (p *Packages) Read(name string) ([]byte, error) {
	if !isPackageName(name) {
		return nil, noPackage(name)
	}
	zip, err := p.root.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noPackage(name)
	}
	return zip, err
}

// Remove removes a package that is kept; it may be gone already.
func (p *Packages) Remove(name string) error {
	if !isPackageName(name) {
		return nil
	}
	if err := p.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove package: %w", err)
	}
	return nil
}

func noPackage(name string) error {
	return &store.Error{Code: store.NotFound, Msg: "there is no package " + clip(name)}
}

func noUser(name string) error {
	return &store.Error{Code: store.NotFound, Msg: "there is no user " + clip(name)}
}

const nameLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// keptName is the user's name and uid, as FreeTAKServer has it (spec/certs.md 4),
// with what not all systems have in names replaced. Without a uid a random text
// keeps two names apart that are the same then.
func keptName(u identity.User) string {
	id := u.UID
	if id == "" {
		id = rand.Text()
	}
	safe := strings.Map(func(r rune) rune {
		if strings.ContainsRune(nameLetters, r) {
			return r
		}
		return '_'
	}, u.Name+id)
	if len(safe) > 150 {
		safe = safe[:120] + rand.Text()
	}
	return strings.TrimLeft(safe, ".") + ".zip"
}

// isPackageName keeps to names that are the same on every system.
func isPackageName(name string) bool {
	stem, ok := strings.CutSuffix(name, ".zip")
	if !ok || stem == "" || stem[0] == '.' || len(stem) > 200 {
		return false
	}
	return strings.Trim(stem, nameLetters) == ""
}
