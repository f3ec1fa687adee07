package setup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// secretFiles are those of the data folder that nobody else may read: the
// databases have users and positions, the others let their reader in.
var secretFiles = []string{
	"state.db", "state.db-wal", "archive.db", "archive.db-wal", "rest.token", "setup.link", "pki/*.key", "acme/*/*/*/*.key", "packages/*",
}

// open to group or others.
const notOwner fs.FileMode = 0o077

func checkFolder(_ context.Context, p *Patient) []Finding {
	var f findings
	dir := p.Config.Data
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.add(OK, "", "%s is not there yet: the first start makes it", dir)
		return append(f, configMode(p)...)
	case err != nil:
		f.add(Fault, "run this as the user that runs takhost, or as root", "%v", err)
		return f
	case !info.IsDir():
		f.add(Fault, "name another with the key data", "%s is a file", dir)
		return f
	}
	if runtime.GOOS == "windows" { // has no such modes
		return f.or("%s", dir)
	}
	if info.Mode().Perm()&notOwner != 0 {
		f.add(Warning, "chmod 700 "+dir, "other users of this machine can look into %s", dir)
	}
	if pki, err := os.Stat(filepath.Join(dir, "pki")); err == nil && pki.Mode().Perm()&notOwner != 0 {
		f.add(Warning, "chmod 700 "+filepath.Join(dir, "pki"), "other users of this machine can look into its folder pki")
	}
	for _, pattern := range secretFiles {
		found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err != nil {
			continue // the patterns are right
		}
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&notOwner != 0 {
				f.add(Fault, "chmod 600 "+path, "other users of this machine can read %s", path)
			}
		}
	}
	return append(f, configMode(p)...).or("%s", dir)
}

// configMode looks whether a configuration with a password is open to all. That
// its group may read it is meant so: the service's is its group.
func configMode(p *Patient) (f findings) {
	if p.Config.File == "" || runtime.GOOS == "windows" || !p.Config.HasSecret() {
		return nil
	}
	if info, err := os.Stat(p.Config.File); err == nil && info.Mode().Perm()&0o007 != 0 {
		f.add(Fault, "chmod 600 "+p.Config.File, "%s holds a password, and other users of this machine can read it", p.Config.File)
	}
	return f
}
