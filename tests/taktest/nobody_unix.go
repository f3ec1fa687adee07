//go:build unix

package taktest

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// nobody is the user id that owns nothing, by custom.
const nobody = 65534

// CommandAsNobody is Command as a user without any rights, as root has all. Who
// is not root runs it as itself.
func CommandAsNobody(t testing.TB, args ...string) Output {
	t.Helper()
	return command(t, func(cmd *exec.Cmd) {
		if os.Getuid() == 0 {
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
	}, args...)
}
