package taktest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/tests/takclient"
)

// Child is a takhost in a process of its own: the program as it is shipped.
type Child struct {
	*Admin
	*Log
	Data string

	args []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended and its log is read
}

// Times that a child has to be ready, and to end after a signal.
const (
	readyWait = 30 * time.Second
	endWait   = 40 * time.Second // limits.shutdown, and the archive's queue
)

// Run starts "takhost serve" with args, on free ports and a data folder of its
// own, and waits until it serves. Args may name others: the last one counts.
func Run(t testing.TB, args ...string) *Child {
	t.Helper()
	return RunIn(t, Folder(t), args...)
}

// RunIn is Run with that data folder.
func RunIn(t testing.TB, data string, args ...string) *Child {
	t.Helper()
	return run(t, data, append(slices.Clone(quietListeners), args...))
}

// RunOnly is Run with these arguments alone: they say which listeners open.
func RunOnly(t testing.TB, args ...string) *Child {
	t.Helper()
	return run(t, Folder(t), args)
}

func run(t testing.TB, data string, args []string) *Child {
	t.Helper()
	c := &Child{
		Admin: newAdmin(filepath.Join(data, web.AdminSocket)), Log: newLog(t), Data: data,
		args: append([]string{"serve", "--data", data}, args...),
	}
	t.Cleanup(func() {
		c.end(t)
		keepCode(c.Data)
		c.Log.end()
	})
	takeCode(data)
	c.start(t)
	return c
}

// quietListeners are arguments by which only listen.tcp and listen.rest open, on
// free ports.
var quietListeners = []string{
	"--set", "listen.tcp=127.0.0.1:0", "--set", "listen.rest=127.0.0.1:0",
	"--set", "listen.tls=", "--set", "listen.http=", "--set", "listen.https=", "--set", "listen.web=",
}

// Listening gives arguments for Run that open further listeners on free ports of
// loopback: tls, http, https, web.
func Listening(names ...string) (args []string) {
	for _, name := range names {
		args = append(args, "--set", "listen."+name+"=127.0.0.1:0")
	}
	return args
}

func (c *Child) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(Binary(t), c.args...)
	cmd.Dir, cmd.Env = t.TempDir(), environ()
	errors, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.cmd, c.done = cmd, make(chan struct{})
	ready := make(chan struct{})
	go c.follow(errors, ready, c.done)
	timer := time.NewTimer(readyWait)
	defer timer.Stop()
	select {
	case <-ready:
	case <-c.done:
		t.Fatalf("takhost ended: %v", cmd.ProcessState)
	case <-timer.C:
		t.Fatalf("takhost is not ready after %v", readyWait)
	}
}

// follow passes the log on, and waits for the process at its end.
func (c *Child) follow(errors io.Reader, ready, done chan struct{}) {
	defer close(done)
	cmd := c.cmd
	in := bufio.NewReader(errors)
	said := false
	for {
		line, err := in.ReadString('\n')
		if line != "" {
			c.Log.Write([]byte(line))
		}
		if !said && holdsAll(line, []string{"takhost is running"}) {
			said = true
			close(ready)
		}
		if err != nil {
			break
		}
	}
	_ = cmd.Wait() // how it ended is in ProcessState
}

// PID is the process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Kill9 ends the process as a crash does, and waits for its end.
func (c *Child) Kill9(t testing.TB) { t.Helper(); c.signal(t, syscall.SIGKILL) }

// Interrupt asks the process to stop, as Ctrl-C does, and gives its exit code.
func (c *Child) Interrupt(t testing.TB) int {
	t.Helper()
	c.signal(t, os.Interrupt)
	return c.cmd.ProcessState.ExitCode()
}

// Signal sends a signal that does not end the process.
func (c *Child) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal takhost: %v", err)
	}
}

func (c *Child) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal takhost: %v", err)
	}
	timer := time.NewTimer(endWait)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		t.Fatalf("takhost goes on %v after the signal %v", endWait, s)
	}
}

// Restart starts the program again after Kill9 or Interrupt. Ports are new.
func (c *Child) Restart(t testing.TB) { t.Helper(); c.start(t) }

// end stops what runs, with force if it must.
func (c *Child) end(t testing.TB) {
	if c.cmd == nil {
		return
	}
	select {
	case <-c.done:
		return
	default:
	}
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Errorf("stop takhost: %v", err)
	}
	timer := time.NewTimer(endWait)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		t.Errorf("takhost did not stop in %v", endWait)
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}

// Addr gives the address of a listener, which has to be open.
func (c *Child) Addr(t testing.TB, listener string) string {
	t.Helper()
	for _, l := range c.Status(t).Listeners {
		if l.Name == listener && l.Addr != "" {
			return l.Addr
		}
	}
	t.Fatalf("listen.%s is not open", listener)
	return ""
}

// Client is as that of Server.
func (c *Child) Client(t testing.TB, opts ...takclient.Option) *takclient.Client {
	t.Helper()
	return dial(t, c.Addr(t, "tcp"), opts...)
}
