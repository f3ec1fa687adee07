// Package pytak lets tests use PyTAK, the Python library that most TAK
// gateways are made with, as a client that nobody here wrote. It runs
// pytak_client.py, a small PyTAK tool, as a child process for each client and
// talks to it in lines of JSON. The library's own classes do all reading and
// writing; the tool adds only that the server's closing ends the client, which
// PyTAK's reader does not notice.
//
// Facts about PyTAK 7.6.1 that tests meet: it first sends a "hello", a t-x-d-d
// with the client's uid and no link; it never pings and never negotiates; it
// ends with an error when an event of more than 65,536 bytes comes.
//
// Each client has a goroutine that reads its child's reports; Close, and the
// end of the test, end the child and wait for both. All methods are safe for
// concurrent use; those that take a testing.TB belong in the test's goroutine.
package pytak

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/tests/takclient"
)

//go:embed pytak_client.py
var script []byte

// startWait bounds the start of Python with the import of PyTAK, which takes
// seconds on a busy machine; closeWait the end of a child that was told to end.
const (
	startWait = 30 * time.Second
	closeWait = 10 * time.Second
)

// Client is one PyTAK client in a process of its own. What it received is in
// its Inbox, as from our own client.
type Client struct {
	*takclient.Inbox

	cmd    *exec.Cmd
	stderr *strings.Builder // to be read after done
	opened chan struct{}    // closed when PyTAK has connected
	done   chan struct{}    // closed when the child has ended and everything is read

	mu    sync.Mutex // guards writes to stdin
	stdin io.WriteCloser

	end    error // why it ended; to be read after done
	exited error // of the process; to be read after done
}

var _ takclient.Sender = (*Client)(nil)

// Start connects a PyTAK client to a loopback address. Where Python or PyTAK is
// missing the test is skipped; when the server cannot be reached it fails.
func Start(t testing.TB, addr, uid, callsign string) *Client {
	t.Helper()
	if err := loopback(addr); err != nil {
		t.Fatal(err)
	}
	python, err := findPython()
	if err != nil {
		leaveOut(t, err)
	}
	c, err := start(python, t.TempDir(), addr, uid, callsign)
	if errors.Is(err, errMissing) {
		leaveOut(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("%s: %v", uid, err)
		}
		if n := c.Counts().Bad; n > 0 {
			t.Errorf("%s: got %d malformed events\n%s", uid, n, c.Report())
		}
		if t.Failed() {
			t.Logf("log of PyTAK client %s:\n%s", uid, c.stderr)
		}
	})
	return c
}

// start runs the child and waits until it is connected. The folder takes the
// script, and is the child's home, so that it writes nowhere else.
func start(python, folder, addr, uid, callsign string) (*Client, error) {
	path := filepath.Join(folder, "pytak_client.py")
	if err := os.WriteFile(path, script, 0o600); err != nil {
		return nil, fmt.Errorf("start PyTAK: %w", err)
	}
	c := &Client{
		Inbox: takclient.NewInbox(callsign),
		// Isolated: neither the environment nor the user's folder changes how it runs.
		cmd:    exec.Command(python, "-I", "-B", "-X", "utf8", "-W", "ignore", path, "tcp://"+addr, uid, callsign),
		stderr: new(strings.Builder),
		opened: make(chan struct{}),
		done:   make(chan struct{}),
	}
	c.cmd.Dir = folder
	c.cmd.Env = []string{"HOME=" + folder, "PATH=" + os.Getenv("PATH")}
	c.cmd.Stderr = c.stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start PyTAK: %w", err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start PyTAK: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start PyTAK: %w", err)
	}
	go c.read(stdout)

	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	select {
	case <-c.opened:
		return c, nil
	case <-c.done:
		return nil, fmt.Errorf("start PyTAK: %w\n%s", c.end, c.stderr)
	case <-ctx.Done():
		err := c.kill()
		return nil, fmt.Errorf("start PyTAK: not connected after %v: %w\n%s", startWait, err, c.stderr)
	}
}

// notice is one line of the child.
type notice struct {
	Missing *string `json:"missing"`
	Open    bool    `json:"open"`
	Event   *string `json:"event"`
	Closed  *string `json:"closed"`
}

// read runs in a goroutine of its own until the child has ended.
func (c *Client) read(stdout io.Reader) {
	defer close(c.done)
	err := c.readNotices(stdout)
	if err == nil {
		err = errors.New("the child ended without saying why")
	}
	c.exited = c.cmd.Wait()
	c.end = err
	c.End(err)
}

// readNotices gives the reason that the child named for its end.
func (c *Client) readNotices(stdout io.Reader) (reason error) {
	lines := bufio.NewReader(stdout)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			// What broke is told by how the process ended.
			return reason
		}
		var n notice
		if err := json.Unmarshal(line, &n); err != nil {
			return fmt.Errorf("a line that is no report: %q", line)
		}
		switch {
		case n.Missing != nil:
			reason = fmt.Errorf("%w: %s", errMissing, *n.Missing)
		case n.Open:
			close(c.opened)
		case n.Event != nil:
			c.AddXML(*n.Event, time.Now())
		case n.Closed != nil:
			reason = errors.New(*n.Closed)
		}
	}
}

// SA has PyTAK build and send the client's position.
func (c *Client) SA(lat, lon float64) error {
	return c.order(map[string]any{"sa": map[string]float64{"lat": lat, "lon": lon}})
}

// Send has PyTAK send an event as it is.
func (c *Client) Send(xml string) error {
	return c.order(map[string]string{"send": xml})
}

func (c *Client) order(o any) error {
	line, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("PyTAK client: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A child that takes no orders must not hold up the test.
	if pipe, ok := c.stdin.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if err := pipe.SetWriteDeadline(time.Now().Add(takclient.DefaultWait)); err != nil {
			return fmt.Errorf("PyTAK client: %w", err)
		}
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("PyTAK client: %w", err)
	}
	return nil
}

// WaitClosed waits until the client has ended by itself and gives the reason:
// the server closed, or PyTAK failed.
func (c *Client) WaitClosed(t testing.TB) error {
	t.Helper()
	timer := time.NewTimer(takclient.DefaultWait)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.end
	case <-timer.C:
		t.Fatalf("the PyTAK client has not ended after %v\n%s", takclient.DefaultWait, c.Report())
		return nil
	}
}

// Close sends what waits, ends the connection and the child, and waits for it.
// It may be called often.
func (c *Client) Close() error {
	c.mu.Lock()
	err := c.stdin.Close() // the end of its orders
	c.mu.Unlock()
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("close PyTAK: %w", errors.Join(err, c.kill()))
	}
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-c.done:
		if c.exited != nil {
			return fmt.Errorf("PyTAK: %w", c.exited)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("close PyTAK: not ended after %v: %w", closeWait, c.kill())
	}
}

var errKilled = errors.New("killed")

func (c *Client) kill() error {
	err := c.cmd.Process.Kill()
	<-c.done
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill: %w", err)
	}
	return errKilled
}
