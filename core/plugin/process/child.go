package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"
)

// lastWords is how long the output of a process that is gone may take to come:
// a process that escaped its group may hold the pipe open for ever.
const lastWords = time.Second

// child is one process, started by go-plugin through the Runner interface. The
// way by go-plugin's Cmd would hand it the server's standard input, wait for its
// pipes before it is told to be gone, and know nothing of its group.
type child struct {
	cmd    *exec.Cmd
	forker *forker
	out    *output
	ended  context.CancelFunc // of out.alive
	gate   gate               // of what is logged for it

	stdoutEnd, stderrEnd *os.File // ours

	hello   *hello
	pipes   sync.WaitGroup
	exited  chan struct{} // it is gone, with its group; state is set
	drained chan struct{} // and all that it printed has been read
	state   error         // how it ended: *exec.ExitError; nil: exit status 0

	mu      sync.Mutex
	started bool
	reaped  bool // its number may belong to somebody else
	killed  bool // also before it has started
}

var _ runner.Runner = (*child)(nil)

func newChild(m *module, home string) *child {
	alive, ended := context.WithCancel(context.Background())
	cmd := exec.Command(m.code.Program, m.code.Args...)
	cmd.Args[0] = m.code.Name
	cmd.Dir = home
	// Nothing of the server's environment, and no PATH.
	cmd.Env = []string{
		"HOME=" + home,
		"TMPDIR=" + home,
		"LANG=C.UTF-8",
		// A Go process collects its garbage harder before it reaches the limit.
		"GOMEMLIMIT=" + strconv.FormatInt(m.code.Memory/10*9, 10),
	}
	c := &child{
		cmd: cmd, forker: m.rt.forker, ended: ended,
		hello: newHello(), exited: make(chan struct{}), drained: make(chan struct{}),
	}
	c.out = newOutput(alive, m.code.Log, &c.gate)
	return c
}

// Start starts the process.
func (c *child) Start(context.Context) (err error) {
	stdout, stdoutTheirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer stdoutTheirs.Close()
	stderr, stderrTheirs, err := os.Pipe()
	if err != nil {
		_ = stdout.Close()
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer stderrTheirs.Close()
	c.stdoutEnd, c.stderrEnd = stdout, stderr
	c.cmd.Stdout, c.cmd.Stderr = stdoutTheirs, stderrTheirs
	setAttributes(c.cmd)

	c.mu.Lock()
	if c.killed {
		err = errKilled
	} else {
		err = c.forker.do(c.cmd.Start)
	}
	c.started = err == nil
	c.mu.Unlock()
	if err != nil {
		_ = stdout.Close()
		_ = stderr.Close()
		return err
	}
	c.pipes.Go(c.readStdout)
	c.pipes.Go(c.readStderr)
	go c.wait()
	if err := confine(c.cmd.Process.Pid); err != nil {
		c.kill()
		return fmt.Errorf("limit the process: %w", err)
	}
	return nil
}

var errKilled = errors.New("killed before it was started")

// wait sees the process out.
func (c *child) wait() {
	c.reap()
	c.ended()
	close(c.exited)

	read := make(chan struct{})
	go func() {
		c.pipes.Wait()
		close(read)
	}()
	select {
	case <-read:
	case <-time.After(lastWords):
	}
	_ = c.stdoutEnd.Close()
	_ = c.stderrEnd.Close()
	<-read
	close(c.drained)
}

// kill ends the process and its group, at once. It may be called at any time.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = true
	if c.started && !c.reaped {
		killGroup(c.cmd.Process)
	}
}

func (c *child) readStderr() {
	w := c.out.stream("stderr", slog.LevelWarn)
	_, _ = io.Copy(w, c.stderrEnd) // ends with the pipe
	w.flush()
}

// readStdout passes the first line on to go-plugin and takes the rest as output.
func (c *child) readStdout() {
	w := c.out.stream("stdout", slog.LevelInfo)
	defer w.flush()
	r := bufio.NewReaderSize(c.stdoutEnd, maxHello)
	line, err := r.ReadSlice('\n')
	c.hello.set(string(line))
	if !isHello(c.hello.line) {
		_, _ = w.Write(line)
	}
	if err == nil || errors.Is(err, bufio.ErrBufferFull) {
		_, _ = io.Copy(w, r)
	}
}

// Wait waits until the process is gone.
func (c *child) Wait(context.Context) error {
	<-c.exited
	return c.state
}

// Kill ends the process. It is safe before Start and after the end.
func (c *child) Kill(context.Context) error {
	c.kill()
	return nil
}

// Stdout gives the line of the handshake, and then ends.
func (c *child) Stdout() io.ReadCloser { return c.hello }

// Stderr ends at once: the child reads what the process prints itself.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name is for go-plugin's log.
func (c *child) Name() string { return filepath.Base(c.cmd.Path) }

// ID is the process's number.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.started {
		return ""
	}
	return strconv.Itoa(c.cmd.Process.Pid)
}

// Diagnose adds nothing: the error of a start is made from what the child knows.
func (c *child) Diagnose(context.Context) string { return "" }

// PluginToHost takes the address that the process gave.
func (c *child) PluginToHost(network, addr string) (string, string, error) { return network, addr, nil }

// HostToPlugin is for go-plugin's broker, which is not used.
func (c *child) HostToPlugin(network, addr string) (string, string, error) { return network, addr, nil }
