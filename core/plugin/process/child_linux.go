package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// setAttributes makes the process leader of a group of its own, and has the kernel
// kill it when the server's thread that started it is gone.
func setAttributes(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// niceness is that of plugins: where processors are short, a plugin that works, loops or
// starts over and over gets a tenth of what the server gets, whose clients wait.
const niceness = 10

// giveWay lowers the priority of the calling thread, for the processes that it starts.
// A kernel that does not let it leaves it as it is.
func giveWay() { _ = unix.Setpriority(unix.PRIO_PROCESS, 0, niceness) }

// reap waits until the process has ended, and ends what is left of its group.
func (c *child) reap() {
	for {
		// The process is left waitable: until Wait, its number and that of its group
		// cannot belong to anybody else.
		err := unix.Waitid(unix.P_PID, c.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	killGroup(c.cmd.Process)
	c.state = c.cmd.Wait()
	c.reaped = true
}

// killGroup ends the process and what it has started. Its one error is that they
// are gone.
func killGroup(p *os.Process) {
	_ = unix.Kill(-p.Pid, unix.SIGKILL)
}

// confine limits a process that has just begun. Memory and the number of its
// processes are watched, not limited: the kernel limits address space, of which
// runtimes map far more than they use, and counts the processes of a user, the
// server's threads among them.
func confine(pid int) error {
	for _, l := range []struct {
		name     string
		resource int
		max      uint64
	}{
		{"open files", unix.RLIMIT_NOFILE, maxFiles},
		{"core files", unix.RLIMIT_CORE, 0},
	} {
		err := unix.Prlimit(pid, l.resource, &unix.Rlimit{Cur: l.max, Max: l.max}, nil)
		if errors.Is(err, unix.ESRCH) {
			return nil // it is gone already: the start says so
		}
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	// When the machine runs out of memory, a plugin goes before the server does.
	// Where /proc is not there, it does without.
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("500"), 0)
	return nil
}
