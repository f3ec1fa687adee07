//go:build wasip1

// Command garbage is a module without the SDK, which answers events with pointers
// into nowhere. The callsign of an event says which.
package main

import (
	"unsafe"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

//go:wasmimport tak1 call
func hostCall(op uint32, p unsafe.Pointer, n uint32, rp unsafe.Pointer, room uint32) int64

//go:wasmimport tak1 take
func hostTake(rp unsafe.Pointer, room uint32) int32

var in, out []byte

func main() {}

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
	if hostapi.GuestOp(op) == hostapi.OpEvents {
		for _, e := range hostapi.Batch(in[:n]).All() {
			if answer := misanswer(e.Callsign()); answer != 0 {
				return answer
			}
		}
	}
	return answer()
}

func answer() int64 {
	return hostapi.PackAnswer(uint32(uintptr(unsafe.Pointer(unsafe.SliceData(out)))), uint32(len(out)))
}

// Addresses of a memory that is smaller.
const nowhere = 0xfffffff0

func outside() unsafe.Pointer { return unsafe.Pointer(uintptr(nowhere)) }

func misanswer(how string) int64 {
	switch how {
	case "pointer":
		return hostapi.PackAnswer(nowhere, 100)
	case "length":
		return hostapi.PackAnswer(8, 0xffffffff)
	case "nothing":
		return hostapi.PackAnswer(8, 0)
	case "status":
		out = []byte{250}
		return answer()
	case "message":
		out = append(out, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"...)
		return answer()
	case "results": // for an event that was not given
		result := wire.BatchResult{Results: []wire.EventResult{{Event: 1 << 30, Status: uint32(hostapi.Failed)}}}
		out = result.Append(out)
		return answer()
	case "input":
		hostCall(uint32(hostapi.HostLog), outside(), 100, nil, 0)
	case "room":
		hostCall(uint32(hostapi.HostClock), nil, 0, outside(), 100)
	case "take":
		hostTake(outside(), 100)
	}
	return 0
}
