package tests

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// others measures how long processors were busy for somebody else than this test and the
// servers that it has started. A measurement of milliseconds says nothing of the server
// while another package's tests are being compiled.
type others struct {
	at   time.Time
	used time.Duration
}

// tick is what Linux counts processor time in.
const tick = 10 * time.Millisecond

// measureOthers begins to measure. Where there is no /proc nobody else is seen.
func measureOthers() others {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return others{at: time.Now()}
	}
	line, _, _ := strings.Cut(string(b), "\n")
	total := int64(0)
	for i, f := range strings.Fields(line) {
		if i >= 1 && i <= 3 || i == 8 { // user, nice, system; steal is for other machines
			n, _ := strconv.ParseInt(f, 10, 64) // a number by the kernel's word
			total += n
		}
	}
	return others{time.Now(), time.Duration(total-ticksOf("self")) * tick}
}

// share gives how much of one processor others have used since.
func (o others) share() float64 {
	now := measureOthers()
	return (now.used - o.used).Seconds() / now.at.Sub(o.at).Seconds()
}

// ticksOf gives the processor time of a process, of those that it has started, and of
// those of them that have ended.
func ticksOf(pid string) (ticks int64) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0 // it has ended
	}
	// The name, in parentheses, may hold anything. Behind it utime is the twelfth.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	for _, f := range fields[min(11, len(fields)):min(15, len(fields))] {
		n, _ := strconv.ParseInt(string(f), 10, 64)
		ticks += n
	}
	threads, _ := os.ReadDir("/proc/" + pid + "/task")
	for _, t := range threads {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", pid, t.Name()))
		for child := range bytes.FieldsSeq(list) {
			ticks += ticksOf(string(child))
		}
	}
	return ticks
}
