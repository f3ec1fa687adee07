package process

import (
	"bytes"
	"os"
	"strconv"
)

// resident is how many bytes of memory one process has, 0 if it is gone.
func resident(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	f := bytes.Fields(b)
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(f[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// usage is how many bytes a process has together with all that it started, and
// how many processes those are. It stops counting some way above the limit.
func usage(pid int) (memory int64, processes int) {
	next := []int{pid}
	for len(next) > 0 && processes <= 2*maxProcesses {
		p := next[0]
		next = append(next[1:], children(p)...)
		memory += resident(p)
		processes++
	}
	return memory, processes
}

// children gives the numbers of the processes that a process has started; those
// of a process are listed by the thread that started them. A kernel without this
// list has none.
func children(pid int) (pids []int) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task/"
	threads, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, t := range threads {
		b, err := os.ReadFile(dir + t.Name() + "/children")
		if err != nil {
			continue
		}
		for _, f := range bytes.Fields(b) {
			if n, err := strconv.Atoi(string(f)); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}
