package setup

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// stateListen is a socket that waits for connections in /proc/net/tcp (the kernel's
// net/tcp_states.h).
const stateListen = "0A"

// holder gives the program that listens on a TCP port, such as "nginx (process
// 712)". Of other users' programs only root sees the name.
func holder(port int) string {
	inodes := listening(port)
	if len(inodes) == 0 {
		return ""
	}
	found, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range found {
		link, err := os.Readlink(fd)
		if err != nil || !slices.Contains(inodes, link) {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue
		}
		return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(comm)), filepath.Base(dir))
	}
	return ""
}

// listening gives the sockets that listen on a port, as links of /proc/PID/fd name
// them.
func listening(port int) (inodes []string) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue // no IPv6, say
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			// sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
			field := strings.Fields(lines.Text())
			if len(field) < 10 || field[3] != stateListen {
				continue
			}
			_, hex, _ := strings.Cut(field[1], ":")
			if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
				inodes = append(inodes, "socket:["+field[9]+"]")
			}
		}
		f.Close()
	}
	return inodes
}
