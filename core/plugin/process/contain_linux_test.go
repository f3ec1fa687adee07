package process

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/takhost/takhost/core/plugin/guest"
)

// A process sees nothing of the server but its private folder.
func TestEnvironment(t *testing.T) {
	t.Setenv("TAK_DATABASE_PASSWORD", "secret")
	i := start(t, code(t, "serve"), echo)
	got := map[string]string{}
	for line := range strings.SplitSeq(ask(t, i, "env"), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			got[name] = value
		}
	}
	for _, name := range []string{"PATH", "TAK_DATABASE_PASSWORD", "USER", "SHELL"} {
		if v, ok := got[name]; ok {
			t.Errorf("%s: got %q, want none", name, v)
		}
	}
	for _, name := range []string{"HOME", "TMPDIR"} {
		if got[name] != i.dir {
			t.Errorf("%s: got %q, want %q", name, got[name], i.dir)
		}
	}
	info, err := os.Stat(i.dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the folder: got %v, %v, want 0700", info.Mode(), err)
	}
	sockets, _ := filepath.Glob(i.dir + "/plugin-dir*/*")
	if len(sockets) != 1 {
		t.Errorf("sockets in the folder: got %v, want one", sockets)
	}
}

// Plugins give way to the server, whose own threads keep their priority.
func TestPriority(t *testing.T) {
	i := start(t, code(t, "serve"), echo)
	nice := func(pid int) (list []string) {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(tasks) == 0 {
			t.Fatalf("threads of %d: %v, %v", pid, tasks, err)
		}
		for _, task := range tasks {
			b, err := os.ReadFile(task)
			if err != nil {
				continue // it has ended
			}
			_, rest, _ := strings.Cut(string(b), ") ")
			list = append(list, strings.Fields(rest)[16])
		}
		return list
	}
	for _, n := range nice(i.child.cmd.Process.Pid) {
		if n != "10" {
			t.Errorf("a thread of the plugin has the niceness %s, want 10", n)
		}
	}
	// Of the server's threads those alone that start processes.
	own, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getppid()) // our main thread may be one of them
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for range 50 {
		g.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if p, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || p != own { // the kernel gives 20 less the niceness
				t.Errorf("a thread of the server has the niceness %d, %v, want %d", 20-p, err, 20-own)
			}
		})
	}
	g.Wait()
}

func TestOutput(t *testing.T) {
	log := newLogged()
	c := code(t, "serve")
	c.Log = log.logger()
	i := start(t, c, echo)
	ask(t, i, "print some words")
	log.await(t, `level=INFO msg="plugin printed" stream=stdout line="some words"`)
	log.await(t, `level=WARN msg="plugin printed" stream=stderr line="some words"`)
	ask(t, i, `print {"@level":"error","@message":"no table","@module":"x","table":"users"}`)
	log.await(t, `level=ERROR msg="plugin logged" message="no table" table=users`)
	ask(t, i, "print "+strings.Repeat("z", 10000)+" end")
	log.await(t, strings.Repeat("z", 4096)+"\n")
}

// A process that never stops printing is slowed down, and still answers.
func TestFlood(t *testing.T) {
	c := code(t, "serve")
	log := newLogged()
	c.Log = log.logger()
	i := start(t, c, echo)
	began := time.Now()
	ask(t, i, "flood")
	for n := 0; time.Since(began) < 500*time.Millisecond; n++ {
		if got := ask(t, i, fmt.Sprintf("echo %d", n)); got != fmt.Sprint(n) {
			t.Fatalf("got %q, want %d", got, n)
		}
	}
	if err := i.Close(t.Context()); err != nil {
		t.Error(err)
	}
	// A line of the log has 70 bytes beside the 200 that were printed.
	most := 270 * int(outputBurst+outputRate*time.Since(began).Seconds()+1<<20) / 200
	if n := len(log.String()); n > most {
		t.Errorf("logged: got %d bytes, want %d at most", n, most)
	}
	if n := len(i.child.out.text()); n != keptOutput {
		t.Errorf("kept: got %d bytes, want %d", n, keptOutput)
	}
}

func TestFiles(t *testing.T) {
	i := start(t, code(t, "serve"), echo)
	var open int
	var limited bool
	if _, err := fmt.Sscan(ask(t, i, "files"), &open, &limited); err != nil || !limited || open > maxFiles || open < maxFiles/2 {
		t.Errorf("open files: got %d, limited %t, %v, want up to %d", open, limited, err, maxFiles)
	}
}

// What a process has started ends with it.
func TestGroup(t *testing.T) {
	for _, how := range []string{"closed", "exits"} {
		t.Run(how, func(t *testing.T) {
			i := start(t, code(t, "serve"), echo)
			gone := awaitGone(t, ask(t, i, "children 2"))
			if how == "exits" {
				if _, _, err := i.Call(t.Context(), 1, []byte("exit 0"), nil); guest.ReasonOf(err) != guest.Exited {
					t.Fatalf("got %v, want an exit", err)
				}
			} else if err := i.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			gone()
		})
	}
}

// Nothing accumulates from start to start.
func TestStartStop(t *testing.T) {
	rt := newRuntime(t)
	c := code(t, "serve")
	c.Log = nil
	m, err := rt.Load(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	count := func() (goroutines, files int) {
		open, _ := os.ReadDir("/proc/self/fd")
		return runtime.NumGoroutine(), len(open)
	}
	var goroutines, files int
	for n := range 20 {
		i, err := m.New(t.Context(), echo)
		if err != nil {
			t.Fatal(err)
		}
		switch n % 3 {
		case 0:
			ask(t, i, "echo x")
		case 1:
			if _, _, err := i.Call(t.Context(), 1, []byte("exit 1"), nil); err == nil {
				t.Fatal("got no crash")
			}
		}
		if err := i.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n == 2 {
			goroutines, files = count()
		}
	}
	// go-plugin's goroutines end a moment after its client.
	if g, f := count(); g > goroutines+8 || f > files+2 {
		t.Errorf("after 3 starts: %d goroutines, %d files; after 20: %d, %d", goroutines, files, g, f)
	}
	if left, _ := filepath.Glob(rt.dir + "/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
