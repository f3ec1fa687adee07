package wasm

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/tetratelabs/wazero/sys"
)

// Numbers of WASI preview 1 (WASI/legacy/preview1/docs.md, errno).
const (
	errnoOK    = 0
	errnoBadf  = 8
	errnoFault = 21
	errnoInval = 28
	errnoNosys = 52

	clockRealtime  = 0
	clockMonotonic = 1
)

// wasi is WASI preview 1 for guests that have nothing but clocks, randomness and
// an output: every file descriptor but 0 to 2 is unknown, and there are no
// folders under which a path could be.
var wasi = map[string]function{
	"args_get":          errno(i32+i32, errnoOK),
	"args_sizes_get":    {signature{i32 + i32, i32}, (*instance).wasiNone},
	"environ_get":       errno(i32+i32, errnoOK),
	"environ_sizes_get": {signature{i32 + i32, i32}, (*instance).wasiNone},
	"clock_res_get":     {signature{i32 + i32, i32}, (*instance).wasiClockRes},
	"clock_time_get":    {signature{i32 + i64 + i32, i32}, (*instance).wasiClock},
	"random_get":        {signature{i32 + i32, i32}, (*instance).wasiRandom},
	"sched_yield":       {signature{"", i32}, (*instance).wasiYield},
	"poll_oneoff":       {signature{i32 + i32 + i32 + i32, i32}, (*instance).wasiPoll},
	"proc_exit":         {signature{i32, ""}, (*instance).wasiExit},
	"proc_raise":        errno(i32, errnoNosys),
	"fd_read":           {signature{i32 + i32 + i32 + i32, i32}, (*instance).wasiRead},
	"fd_write":          {signature{i32 + i32 + i32 + i32, i32}, (*instance).wasiWrite},
	"fd_fdstat_get":     {signature{i32 + i32, i32}, (*instance).wasiStat},
	"fd_fdstat_set_flags": {signature{i32 + i32, i32}, func(i *instance, slots []uint64) {
		slots[0] = stdio(uint32(slots[0]))
	}},

	"fd_advise":             errno(i32+i64+i64+i32, errnoBadf),
	"fd_allocate":           errno(i32+i64+i64, errnoBadf),
	"fd_close":              errno(i32, errnoBadf),
	"fd_datasync":           errno(i32, errnoBadf),
	"fd_fdstat_set_rights":  errno(i32+i64+i64, errnoBadf),
	"fd_filestat_get":       errno(i32+i32, errnoBadf),
	"fd_filestat_set_size":  errno(i32+i64, errnoBadf),
	"fd_filestat_set_times": errno(i32+i64+i64+i32, errnoBadf),
	"fd_pread":              errno(i32+i32+i32+i64+i32, errnoBadf),
	"fd_prestat_get":        errno(i32+i32, errnoBadf),
	"fd_prestat_dir_name":   errno(i32+i32+i32, errnoBadf),
	"fd_pwrite":             errno(i32+i32+i32+i64+i32, errnoBadf),
	"fd_readdir":            errno(i32+i32+i32+i64+i32, errnoBadf),
	"fd_renumber":           errno(i32+i32, errnoBadf),
	"fd_seek":               errno(i32+i64+i32+i32, errnoBadf),
	"fd_sync":               errno(i32, errnoBadf),
	"fd_tell":               errno(i32+i32, errnoBadf),

	"path_create_directory":   errno(i32+i32+i32, errnoBadf),
	"path_filestat_get":       errno(i32+i32+i32+i32+i32, errnoBadf),
	"path_filestat_set_times": errno(i32+i32+i32+i32+i64+i64+i32, errnoBadf),
	"path_link":               errno(i32+i32+i32+i32+i32+i32+i32, errnoBadf),
	"path_open":               errno(i32+i32+i32+i32+i32+i64+i64+i32+i32, errnoBadf),
	"path_readlink":           errno(i32+i32+i32+i32+i32+i32, errnoBadf),
	"path_remove_directory":   errno(i32+i32+i32, errnoBadf),
	"path_rename":             errno(i32+i32+i32+i32+i32+i32, errnoBadf),
	"path_symlink":            errno(i32+i32+i32+i32+i32, errnoBadf),
	"path_unlink_file":        errno(i32+i32+i32, errnoBadf),

	"sock_accept":   errno(i32+i32+i32, errnoBadf),
	"sock_recv":     errno(i32+i32+i32+i32+i32+i32, errnoBadf),
	"sock_send":     errno(i32+i32+i32+i32+i32, errnoBadf),
	"sock_shutdown": errno(i32+i32, errnoBadf),
}

// errno is a function that only ever fails in one way.
func errno(params string, n uint64) function {
	return function{signature{params, i32}, func(_ *instance, slots []uint64) { slots[0] = n }}
}

// stdio says whether a descriptor is one of those there are.
func stdio(fd uint32) uint64 {
	if fd <= 2 {
		return errnoOK
	}
	return errnoBadf
}

func (i *instance) put32(at uint32, v uint32) bool { return i.mod.Memory().WriteUint32Le(at, v) }
func (i *instance) put64(at uint32, v uint64) bool { return i.mod.Memory().WriteUint64Le(at, v) }

// result gives the errno of a function that writes its results to memory.
func result(ok bool) uint64 {
	if ok {
		return errnoOK
	}
	return errnoFault
}

// wasiNone: no arguments, no environment.
func (i *instance) wasiNone(slots []uint64) {
	slots[0] = result(i.put32(uint32(slots[0]), 0) && i.put32(uint32(slots[1]), 0))
}

func (i *instance) wasiClockRes(slots []uint64) {
	if uint32(slots[0]) > clockMonotonic {
		slots[0] = errnoInval
		return
	}
	slots[0] = result(i.put64(uint32(slots[1]), 1))
}

// wasiClock: both clocks are the host's. The monotonic one begins with the
// instance, at a second.
func (i *instance) wasiClock(slots []uint64) {
	now, ok := i.clock(uint32(slots[0]))
	if !ok {
		slots[0] = errnoInval
		return
	}
	slots[0] = result(i.put64(uint32(slots[2]), now))
}

func (i *instance) clock(id uint32) (ns uint64, ok bool) {
	switch id {
	case clockRealtime:
		return uint64(time.Now().UnixNano()), true
	case clockMonotonic:
		return uint64(time.Since(i.born) + time.Second), true
	}
	return 0, false
}

// wasiRandom fills memory piece by piece, so that a guest that asks for all of
// its memory does not outlive its call.
func (i *instance) wasiRandom(slots []uint64) {
	b, ok := i.mod.Memory().Read(uint32(slots[0]), uint32(slots[1]))
	if !ok {
		slots[0] = errnoFault
		return
	}
	for len(b) > 0 {
		i.mustGoOn()
		n := min(len(b), 1<<20)
		rand.Read(b[:n]) // never fails
		b = b[n:]
	}
	slots[0] = errnoOK
}

func (i *instance) wasiYield(slots []uint64) {
	i.mustGoOn()
	slots[0] = errnoOK
}

func (i *instance) wasiExit(slots []uint64) { panic(sys.NewExitError(uint32(slots[0]))) }

// wasiRead: the standard input is at its end.
func (i *instance) wasiRead(slots []uint64) {
	if uint32(slots[0]) != 0 {
		slots[0] = errnoBadf
		return
	}
	slots[0] = result(i.put32(uint32(slots[3]), 0))
}

// wasiWrite takes what the guest prints: (fd, iovs, number, written).
func (i *instance) wasiWrite(slots []uint64) {
	fd, at, n := uint32(slots[0]), uint32(slots[1]), uint32(slots[2])
	if fd != 1 && fd != 2 {
		slots[0] = errnoBadf
		return
	}
	m := i.mod.Memory()
	if uint64(n)*8 > uint64(m.Size()) {
		slots[0] = errnoFault
		return
	}
	iovs, ok := m.Read(at, n*8)
	if !ok {
		slots[0] = errnoFault
		return
	}
	var written uint64
	for ; len(iovs) > 0; iovs = iovs[8:] {
		b, ok := m.Read(binary.LittleEndian.Uint32(iovs), binary.LittleEndian.Uint32(iovs[4:]))
		// Many buffers may be the same bytes: what one call writes has an end.
		if written += uint64(len(b)); !ok || written > uint64(m.Size()) {
			slots[0] = errnoFault
			return
		}
		i.mustGoOn()
		i.out.write(int(fd), b)
	}
	slots[0] = result(i.put32(uint32(slots[3]), uint32(written)))
}

// wasiStat: standard input and outputs are character devices without rights to
// seek, so that a language's library flushes at the end of a line.
func (i *instance) wasiStat(slots []uint64) {
	fd, at := uint32(slots[0]), uint32(slots[1])
	if stdio(fd) != errnoOK {
		slots[0] = errnoBadf
		return
	}
	b, ok := i.mod.Memory().Read(at, 24)
	if !ok {
		slots[0] = errnoFault
		return
	}
	clear(b)
	b[0] = 2                                                   // character_device
	binary.LittleEndian.PutUint64(b[8:], 1<<1|1<<6|1<<3|1<<27) // fd_read, fd_write, fdstat_set_flags, poll_fd_readwrite
	slots[0] = errnoOK
}
