//go:build unix

package storetest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// postgres refuses to run as root; then it runs as one of these.
var otherUsers = []string{"postgres", "nobody"}

func otherUser() (uid, gid int, err error) {
	for _, name := range otherUsers {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil {
			return uid, gid, nil
		}
	}
	return 0, 0, fmt.Errorf("%w: no user postgres or nobody, and it does not run as root", errMissing)
}

// giveAway makes dir and what is in it belong to the server's user.
func giveAway(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	uid, gid, err := otherUser()
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// demote makes cmd run as the server's user and end when this process does.
func demote(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	endWithParent(cmd.SysProcAttr)
	if os.Getuid() != 0 {
		return nil
	}
	uid, gid, err := otherUser()
	if err != nil {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return nil
}

// stopNow asks for the immediate shutdown: no farewell to clients, no final
// checkpoint.
func stopNow(p *os.Process) error { return p.Signal(syscall.SIGQUIT) }
