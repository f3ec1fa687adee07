//go:build wasip1

// The guest of the tests: each operation does one thing that a plugin may do,
// or that no plugin may do. The numbers are those of guest_test.go.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"

	crand "crypto/rand"

	"github.com/takhost/takhost/hostapi"
)

//go:wasmimport tak1 call
func hostCall(op uint32, p unsafe.Pointer, n uint32, rp unsafe.Pointer, rcap uint32) int64

//go:wasmimport tak1 take
func hostTake(rp unsafe.Pointer, rcap uint32) int32

//go:wasmimport tak1 yield
func hostYield()

var in, out []byte

func main() {}

func init() {
	// There is no call yet that an operation could belong to.
	if status, _ := hostapi.UnpackResult(hostCall(1, nil, 0, nil, 0)); status != hostapi.Unsupported {
		panic("an operation of the host was served before a call")
	}
}

//go:wasmexport tak_abi
func takABI() int32 { return hostapi.ABIVersion }

//go:wasmexport tak_buf
func takBuf(n uint32) unsafe.Pointer {
	if uint32(cap(in)) < n {
		in = make([]byte, n)
	}
	return unsafe.Pointer(unsafe.SliceData(in))
}

//go:wasmexport tak_call
func takCall(op, n uint32) int64 {
	out = append(out[:0], byte(hostapi.OK))
	switch op {
	case 205: // an answer outside of the memory
		return hostapi.PackAnswer(0xfffffff0, 100)
	case 206: // longer than the memory
		return hostapi.PackAnswer(0, 0xffffffff)
	case 207:
		return 0
	}
	run(op, in[:n])
	return hostapi.PackAnswer(uint32(uintptr(unsafe.Pointer(unsafe.SliceData(out)))), uint32(len(out)))
}

func answer(args ...any) { out = fmt.Append(out, args...) }

// ask asks the host, with room for rcap bytes, and takes a longer answer.
func ask(op uint32, b []byte, rcap int) (hostapi.Status, []byte) {
	r := make([]byte, rcap)
	status, n := hostapi.UnpackResult(hostCall(op, ptr(b), uint32(len(b)), ptr(r), uint32(rcap)))
	if n > uint32(rcap) {
		r = make([]byte, n)
		if got := hostTake(ptr(r), n); got != int32(n) {
			panic("take gave another length than call")
		}
	}
	return status, r[:n]
}

func ptr(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }

func run(op uint32, b []byte) {
	switch op {
	case 100: // echo
		out = append(out, b...)
	case 101: // the status and the payload of an error
		out = append(append(out[:0], b[0]), b[1:]...)
	case 102: // two fields of each view of a batch
		n := 0
		for _, v := range hostapi.Batch(b).All() {
			n += len(v.UID()) + len(v.Type())
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(n))
	case 103: // nothing
	case 104: // an answer of many bytes
		n := int(binary.LittleEndian.Uint32(b))
		for len(out) <= n {
			out = append(out, byte(len(out)-1))
		}
	case 110: // the host's answer to the operation, with room for that many bytes
		status, a := ask(uint32(b[0]), b[2:], int(b[1]))
		out = append(append(out[:0], byte(status)), a...)
	case 111:
		takes(b)
	case 112: // asks many times
		for range binary.LittleEndian.Uint32(b) {
			ask(2, b, 16)
		}
	case 113: // memory outside as input
		hostCall(1, unsafe.Pointer(uintptr(0xfffffff0)), 100, nil, 0)
	case 114: // memory outside as room
		hostCall(1, nil, 0, unsafe.Pointer(uintptr(0xfffffff0)), 100)
	case 115:
		hostTake(unsafe.Pointer(uintptr(0xfffffff0)), 100)

	case 200:
		for i := uint32(0); ; i++ {
			sink = i
		}
	case 201:
		panic("an author's mistake")
	case 202:
		*(*int)(nil) = 1
	case 203:
		allocate()
	case 204:
		sink = recurse(1)
	case 208:
		time.Sleep(time.Minute)
	case 209:
		os.Exit(3)
	case 210: // a deadlock
		<-make(chan int)
	case 211:
		for {
			hostYield()
		}
	case 212: // prints without end
		for {
			fmt.Println(strings.Repeat("flood", 1000))
		}
	case 213: // sleeps inside the host's function
		ask(3, nil, 0)

	case 300:
		_, err := os.Open("/etc/passwd")
		_, err2 := os.ReadDir("/")
		var pe *fs.PathError
		answer(errors.As(err, &pe), " ", err2 != nil)
	case 301:
		_, err := net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
		answer(err != nil)
	case 302:
		answer(len(os.Environ()), " ", strings.Join(os.Args, " "))
	case 303:
		start := time.Now()
		time.Sleep(20 * time.Millisecond)
		answer(start.UnixMicro(), " ", time.Since(start).Microseconds())
	case 304:
		var r [16]byte
		crand.Read(r[:])
		answer(fmt.Sprintf("%x %x", r, rand.Uint64()))
	case 305:
		fmt.Println("to stdout")
		fmt.Fprint(os.Stderr, "to stderr\nunfinished")
	case 306: // goroutines
		done := make(chan int)
		go func() {
			time.Sleep(time.Millisecond)
			done <- 7
		}()
		answer(<-done)
	case 307:
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		answer(m.Sys)
	}
}

// takes gives what take does with an answer of 8 bytes: too little room, enough,
// once more, and after another operation.
func takes(b []byte) {
	status, n := hostapi.UnpackResult(hostCall(2, ptr(b), uint32(len(b)), nil, 0))
	r := make([]byte, 64)
	answer(status, n, " ", hostTake(ptr(r), n-1), hostTake(ptr(r), n), string(r[:n]), hostTake(ptr(r), 64))
	ask(2, b, 64) // fits: nothing is kept
	answer(hostTake(ptr(r), 64))
}

var sink uint32
var kept [][]byte

func allocate() {
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
}

//go:noinline
func recurse(n uint32) uint32 {
	var room [1024]byte
	room[n%1024] = byte(n)
	return recurse(n+uint32(room[3])+1) + 1
}
