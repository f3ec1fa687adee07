package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal at which takhost runs. What a person would type is
// sent when the words that ask for it are there.
type terminal struct {
	t     *testing.T
	pty   *os.File
	cmd   *exec.Cmd
	shown bytes.Buffer
	seen  int // bytes of shown that expect is done with
}

// at starts takhost at a terminal, in a folder of its own.
func at(t *testing.T, dir string, args ...string) *terminal {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("left out: the wizard at a terminal (/dev/ptmx: %v)", err)
	}
	t.Cleanup(func() { pty.Close() })
	raw, err := pty.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n uint32
	if e := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetUint32(int(fd), unix.TIOCGPTN)
		}
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	tty, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(n)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	// This binary is takhost when it is called so: see TestMain.
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Args[0], cmd.Dir = "takhost", dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &terminal{t: t, pty: pty, cmd: cmd}
}

// expect waits for words, and types then.
func (m *terminal) expect(words, typed string) {
	m.t.Helper()
	if err := m.pty.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	for {
		if i := strings.Index(m.shown.String()[m.seen:], words); i >= 0 {
			m.seen += i + len(words)
			break
		}
		var b [1024]byte
		n, err := m.pty.Read(b[:])
		m.shown.Write(b[:n])
		if err != nil {
			m.t.Fatalf("waits for %q: %v after\n%s", words, err, m.shown.String())
		}
	}
	if _, err := m.pty.WriteString(typed); err != nil {
		m.t.Fatal(err)
	}
}

// ends reads the rest and gives the exit code.
func (m *terminal) ends() int {
	m.t.Helper()
	for {
		var b [1024]byte
		n, err := m.pty.Read(b[:])
		m.shown.Write(b[:n])
		if err != nil {
			break // EIO: nobody has the other end any more
		}
	}
	_ = m.cmd.Wait() // the code tells
	return m.cmd.ProcessState.ExitCode()
}

func TestInitAtTerminal(t *testing.T) {
	dir := t.TempDir()
	m := at(t, dir, "init", "--data", "d", "--set", "listen.tcp=127.0.0.1:0", "--set", "listen.tls=127.0.0.1:0", "--set", "listen.http=127.0.0.1:0",
		"--set", "listen.https=127.0.0.1:0", "--set", "listen.web=127.0.0.1:0", "--set", "listen.rest=127.0.0.1:0")
	m.expect("by which phones reach this server", "")
	m.expect("]: ", "127.0.0.1\r")
	m.expect("a phone would call itself", "")
	m.expect("[no]: ", "y\r")
	m.expect("[local]: ", "somebody\r")
	m.expect("choose by number", "")
	m.expect("[local]: ", "intx\x7f\r") // backspace
	m.expect("[sqlite]: ", "\r")
	m.expect("[admin]: ", "boss\r")
	m.expect("Password of boss: ", "short\r")
	m.expect("at least 8 characters", "")
	m.expect("Password of boss: ", "a hushed password\r")
	m.expect("The same again: ", "a hushed password\r")
	m.expect("[own]: ", "\r")
	m.expect("This is going to be written", "")
	m.expect("[yes]: ", "\r")
	code := m.ends()
	if text := m.shown.String(); code != 0 || !strings.Contains(text, "wrote "+dir) || strings.Contains(text, "hushed") {
		t.Errorf("exit code %d after\n%s", code, text)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "takhost.yaml")); err != nil || !bytes.Contains(b, []byte("\nexposure: internet\n")) {
		t.Errorf("got %v in\n%s", err, b)
	}
	if _, err := os.Stat(filepath.Join(dir, "d", "state.db")); err != nil {
		t.Error(err)
	}
}

// Whoever has enough of it has written nothing, and gets the terminal back.
func TestInitGivenUpAtTerminal(t *testing.T) {
	for name, give := range map[string]func(m *terminal){
		"Ctrl-C": func(m *terminal) { m.expect("[local]: ", "\x03") },
		"Ctrl-D": func(m *terminal) { m.expect("[local]: ", "\x04") },
		"Ctrl-C at the password": func(m *terminal) {
			m.expect("[local]: ", "\r")
			m.expect("[sqlite]: ", "\r")
			m.expect("[admin]: ", "\r")
			m.expect("Password of admin: ", "half of it\x03")
		},
		"SIGTERM": func(m *terminal) {
			m.expect("[local]: ", "")
			if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				m.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			m := at(t, dir, "init", "--public", "192.0.2.1")
			m.expect("[192.0.2.1]: ", "\r")
			give(m)
			m.expect("interrupted: nothing was written", "")
			raw, err := m.pty.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			var state *unix.Termios
			if e := raw.Control(func(fd uintptr) { state, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); e != nil || err != nil {
				t.Fatal(e, err)
			}
			if state.Lflag&unix.ECHO == 0 || state.Lflag&unix.ICANON == 0 {
				t.Error("the terminal has no echo any more")
			}
			if code := m.ends(); code != exitFailed {
				t.Errorf("exit code: got %d, want %d", code, exitFailed)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("there is %v, %v", left, err)
			}
		})
	}
}
