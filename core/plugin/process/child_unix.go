//go:build unix && !linux

package process

import (
	"os"
	"os/exec"
	"syscall"
)

// setAttributes makes the process leader of a group of its own. There is no death
// signal here: the SDKs end a process whose stream breaks.
func setAttributes(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// killGroup ends the process and what it has started.
func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
}
