package plugintest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// Env is the variable that holds the command of a runner: the program and its
// arguments, one a line.
//
// # Runner
//
// A runner runs one plugin's code and nothing else of a server: the store, the clock
// and all other operations of the host are the test's. The two exchange messages Frame
// of plugin.proto over the runner's standard input and output, each with its length in
// front, 4 bytes, little-endian.
//
// The test sends calls of the plugin (answer false, op a GuestOp). Before the first one,
// and whenever an instance shall be thrown away, it sends op NewInstance, which the
// runner answers when there is a new one. That may come during another call, which then
// ends without an answer. The runner sends operations of the host (answer false, op a
// HostOp, within the number of the call) and the answers of calls. An instance that died
// answers with status Crashed and a message Error, whose code is the reason. The runner
// ends when its input does.
const Env = "TAKHOST_PLUGINTEST"

// Numbers of the runner's protocol beside those of the contract.
const (
	NewInstance uint32 = 0
	Crashed     uint32 = 255
)

// MaxFrame is how long a frame may be, in bytes.
const MaxFrame = 64 << 20

// WriteFrame writes one frame.
func WriteFrame(w io.Writer, f *wire.Frame) error {
	b := f.Append(make([]byte, 4))
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	_, err := w.Write(b)
	return err
}

// ReadFrame reads one frame. It gives io.EOF when there is no more.
func ReadFrame(r io.Reader) (*wire.Frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > MaxFrame {
		return nil, fmt.Errorf("frame of %d bytes: at most %d", n, MaxFrame)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	f := &wire.Frame{}
	if err := f.Decode(b); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	return f, nil
}

// runner is the guest that runs behind such a command.
type runner struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	next uint64
}

func startRunner(command string) (*runner, error) {
	words := strings.Split(strings.TrimSpace(command), "\n")
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stderr = os.Stderr
	// The runner must not start a runner, should it run tests.
	cmd.Env = append(os.Environ(), Env+"=")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start runner: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start runner: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start runner: %w", err)
	}
	return &runner{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

func (r *runner) renew() error {
	f, err := r.ask(nil, NewInstance, nil)
	if err != nil {
		return err
	}
	if f.Status != 0 {
		return fmt.Errorf("start instance: %w", frameError(f))
	}
	return nil
}

func (r *runner) serve(h sdk.Host, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status, error) {
	f, err := r.ask(h, uint32(op), in)
	switch {
	case err != nil:
		return nil, 0, err
	case f == nil:
		return nil, 0, errCrashed // the host killed it; renew follows
	case f.Status == Crashed:
		return nil, 0, fmt.Errorf("%w: %w", errCrashed, frameError(f))
	}
	return f.Payload, hostapi.Status(f.Status), nil
}

// ask sends a call and serves the host's operations until it is answered. It gives no
// frame when the host killed the instance.
func (r *runner) ask(h sdk.Host, op uint32, in []byte) (*wire.Frame, error) {
	r.next++
	call := r.next
	// The runner has limits of its own; this one is for a runner that hangs.
	limit := time.AfterFunc(2*callLimit, func() { _ = r.cmd.Process.Kill() })
	defer limit.Stop()
	if err := WriteFrame(r.in, &wire.Frame{Call: call, Op: op, Payload: in, Deadline: callLimit.Microseconds()}); err != nil {
		return nil, fmt.Errorf("speak to runner: %w", err)
	}
	for {
		f, err := ReadFrame(r.out)
		if errors.Is(err, io.EOF) {
			err = errors.New("it ended")
		}
		if err != nil {
			return nil, fmt.Errorf("speak to runner: %w", err)
		}
		switch {
		case f.Answer && f.Call == call:
			return f, nil
		case f.Answer || f.Within != call || h == nil:
			continue // of a call whose instance was killed
		}
		out, s, gone := serveHost(h, f)
		if gone {
			return nil, nil
		}
		if err := WriteFrame(r.in, &wire.Frame{Call: f.Call, Answer: true, Status: uint32(s), Payload: out}); err != nil {
			return nil, fmt.Errorf("speak to runner: %w", err)
		}
	}
}

func serveHost(h sdk.Host, f *wire.Frame) (out []byte, s hostapi.Status, gone bool) {
	defer func() {
		if p := recover(); p != nil {
			if _, gone = p.(hostGone); !gone {
				panic(p)
			}
		}
	}()
	out, s = h.Call(hostapi.HostOp(f.Op), f.Payload, nil)
	return out, s, false
}

func (r *runner) close() error {
	_ = r.in.Close() // the runner ends by it
	done := make(chan error, 1)
	go func() { done <- r.cmd.Wait() }()
	limit := time.NewTimer(callLimit)
	defer limit.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("runner: %w", err)
		}
		return nil
	case <-limit.C:
		_ = r.cmd.Process.Kill()
		<-done
		return errors.New("runner: did not end when its input did")
	}
}

func frameError(f *wire.Frame) error {
	var e wire.Error
	if err := e.Decode(f.Payload); err != nil {
		return fmt.Errorf("read error of the plugin: %w", err)
	}
	return &sdk.Error{Status: hostapi.Failed, Code: e.Code, Message: e.Message, Details: e.Details}
}
