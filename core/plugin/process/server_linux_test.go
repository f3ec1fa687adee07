package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// serverMain is a server with one plugin, whose number it prints. It waits for
// its end.
func serverMain() int {
	fail := func(err error) int {
		fmt.Println(err)
		return 1
	}
	rt, err := New(Options{Dir: os.Args[2]})
	if err != nil {
		return fail(err)
	}
	path, sum := self()
	m, err := rt.Load(context.Background(), guest.Code{Name: "sample", Program: path, Digest: sum, Args: []string{Subcommand, "deaf"}})
	if err != nil {
		return fail(err)
	}
	i, err := m.New(context.Background(), echo)
	if err != nil {
		return fail(err)
	}
	out, _, err := i.Call(context.Background(), hostapi.OpHTTP, []byte("pid"), nil)
	if err != nil {
		return fail(err)
	}
	fmt.Printf("%s\n", out)
	select {}
}

// awaitGone watches a process and gives a function that waits for its end.
func awaitGone(t *testing.T, pid string) func() {
	t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(pid))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(n, 0)
	if err != nil {
		t.Fatalf("watch process %d: %v", n, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return func() {
		t.Helper()
		limit := time.Now().Add(20 * time.Second)
		for {
			got, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(limit).Milliseconds()))
			if err == unix.EINTR {
				continue
			}
			if got != 1 || err != nil {
				t.Errorf("process %d is still there (%v)", n, err)
			}
			return
		}
	}
}

// A server that is killed from outside leaves no plugin behind, not even one that
// does not care that its stream has ended.
func TestServerKilled(t *testing.T) {
	dir, err := os.MkdirTemp("", "tak")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path, _ := self()
	server := exec.Command(path, "server", dir)
	server.Stderr = t.Output()
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Errorf("read the number of the plugin: %v", err)
	}
	gone := awaitGone(t, line)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	gone()
}
