package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// Systemd is what an installation of the service does to a machine. Tests have
// their own.
type Systemd struct {
	Running func() bool // whether systemd looks after this machine
	Root    func() bool // whether we are root
	Run     func(ctx context.Context, name string, args ...string) (out string, err error)
	User    func(name string) (*user.User, error)
	GroupOf func(*user.User) (string, error)
	Owner   func(path string) (uid, gid int, err error)
	Chown   func(path string, uid, gid int) error // of a link itself
	UnitDir string
}

// ServiceUser is who runs the service when nobody else is named and the data
// belongs to nobody else.
const ServiceUser = "takhost"

// PickUser says who is to run the service: who is named, else who owns the data
// folder, else ServiceUser.
func (s *Systemd) PickUser(named, data string) (string, error) {
	if named != "" {
		return named, nil
	}
	uid, _, err := s.Owner(data)
	if errors.Is(err, fs.ErrNotExist) || err == nil && uid == 0 {
		return ServiceUser, nil
	}
	if err != nil {
		return "", fmt.Errorf("look whose the data folder is: %w", err)
	}
	u, err := s.User(strconv.Itoa(uid))
	if err != nil {
		return "", fmt.Errorf("the data folder %s belongs to the user id %d, which has no name: give --user", data, uid)
	}
	return u.Username, nil
}

// errNoSystemd says what to do on a machine without it.
var errNoSystemd = errors.New("systemd does not run on this machine: have another supervisor run takhost serve --config FILE, as a user of its own, " +
	"stop it with SIGTERM and have it read its configuration again with SIGHUP; takhost service install --print shows the limits that suit it")

func (s *Systemd) check() error {
	switch {
	case !s.Running():
		return errNoSystemd
	case !s.Root():
		return errors.New("only root can do that: run it with sudo")
	}
	return nil
}

// Ensure gives the account that runs the service. ServiceUser is made if it is
// missing.
func (s *Systemd) Ensure(ctx context.Context, name string, tell func(string)) (*user.User, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	u, err := s.User(name)
	if unknown := user.UnknownUserError(""); !errors.As(err, &unknown) {
		return u, err
	}
	if name != ServiceUser {
		return nil, fmt.Errorf("there is no user %s on this machine: make one with useradd --system --no-create-home --shell /usr/sbin/nologin %s", name, name)
	}
	if _, err := s.Run(ctx, "useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name); err != nil {
		return nil, fmt.Errorf("make the user %s: %w", name, err)
	}
	tell("made the user " + name)
	return s.User(name)
}

// Install writes the unit and has systemd start it with the machine. force writes
// over a unit that was not made here.
func (s *Systemd) Install(ctx context.Context, unit string, force bool, tell func(string)) error {
	if err := s.check(); err != nil {
		return err
	}
	path := filepath.Join(s.UnitDir, UnitName)
	old, err := os.ReadFile(path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && !strings.HasPrefix(string(old), unitMark) && !force:
		return fmt.Errorf("%s is there, and was not made by this program: give --force to write over it", path)
	}
	if err := writeWhole(path, unit, 0o644); err != nil {
		return fmt.Errorf("write the unit: %w", err)
	}
	tell("wrote " + path)
	for _, args := range [][]string{{"daemon-reload"}, {"enable", UnitName}} {
		if _, err := s.Run(ctx, "systemctl", args...); err != nil {
			return err
		}
	}
	tell("takhost starts with this machine from now on")
	return nil
}

// Do starts or stops the service.
func (s *Systemd) Do(ctx context.Context, what string) error {
	if err := s.check(); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(s.UnitDir, UnitName)); errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is no service yet: takhost service install")
	}
	if _, err := s.Run(ctx, "systemctl", what, UnitName); err != nil {
		return fmt.Errorf("%w; the log says more: journalctl -u %s -n 30", err, UnitName)
	}
	return nil
}

// GiveFolder gives a data folder that root has made to the account that runs the
// service, with all that is in it. One that is somebody's is left, and is an error
// if he is another.
func (s *Systemd) GiveFolder(data string, u *user.User, tell func(string)) error {
	uid, gid, err := ids(u)
	if err != nil {
		return err
	}
	owner, _, err := s.Owner(data)
	if errors.Is(err, fs.ErrNotExist) {
		// What is above it is to be entered by the account.
		if err := errors.Join(os.MkdirAll(filepath.Dir(data), 0o755), os.Mkdir(data, 0o700)); err != nil {
			return err
		}
		owner = 0
	} else if err != nil {
		return err
	}
	switch owner {
	case uid:
		return nil
	case 0:
	default:
		return fmt.Errorf("the data folder %s belongs to another user (id %d) than %s: name that one with --user, or give the folder away with chown -R", data, owner, u.Username)
	}
	err = filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return s.Chown(path, uid, gid)
	})
	if err != nil {
		return fmt.Errorf("give the data folder to %s: %w", u.Username, err)
	}
	tell(fmt.Sprintf("gave %s to %s", data, u.Username))
	return nil
}

// CheckAccess reports a program that the account cannot start, or a folder that it
// cannot enter, as it lies in somebody's home.
func (s *Systemd) CheckAccess(u *user.User, target string) error {
	uid, gid, err := ids(u)
	if err != nil {
		return err
	}
	for path := existing(target); ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		owner, group, err := s.Owner(path)
		if err != nil {
			return err
		}
		bit := fs.FileMode(0o001) // to start a file, or to enter a folder
		switch {
		case uid == 0:
			return nil
		case owner == uid:
			bit = 0o100
		case group == gid:
			bit = 0o010
		}
		if info.Mode().Perm()&bit == 0 {
			return fmt.Errorf("the user %s cannot get at %s, as %s is closed to it: put the program into /usr/local/bin, configuration and data into a folder such as /etc/takhost and /var/lib/takhost, and do this again from there", u.Username, target, path)
		}
		if path == filepath.Dir(path) {
			return nil
		}
	}
}

// GiveFile lets the account read a configuration that is closed to others.
func (s *Systemd) GiveFile(path string, u *user.User, tell func(string)) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner, group, err := s.Owner(path)
	if err != nil {
		return err
	}
	uid, gid, err := ids(u)
	mode := info.Mode().Perm()
	if err != nil || owner == uid || mode&0o004 != 0 || group == gid && mode&0o040 != 0 {
		return err
	}
	if err := errors.Join(s.Chown(path, owner, gid), os.Chmod(path, mode|0o040)); err != nil {
		return fmt.Errorf("let %s read %s: %w", u.Username, path, err)
	}
	tell(fmt.Sprintf("let the group of %s read %s", u.Username, path))
	return nil
}

func ids(u *user.User) (uid, gid int, err error) {
	if uid, err = strconv.Atoi(u.Uid); err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	return uid, gid, err
}

// writeWhole writes a file that is there whole or not at all.
func writeWhole(path, content string, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(content)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
