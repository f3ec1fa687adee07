//go:build wasip1

package sdk

import (
	"unsafe"

	"github.com/takhost/takhost/hostapi"
)

// The exports and imports of hostapi.ABIName. A module is used by one call at a
// time, which is all the locking that these variables need.
var (
	module *Instance
	input  []byte
	output []byte
)

// keptOutput is how large an output buffer may be to be used again, in bytes: linear
// memory never shrinks, but the garbage collector can use it for something else.
const keptOutput = 1 << 20

//go:wasmexport tak_abi
func takABI() int32 { return hostapi.ABIVersion }

//go:wasmexport tak_buf
func takBuf(n uint32) uint32 {
	words := make([]uint64, max((uint64(n)+7)/8, 1)) // at a multiple of 8
	input = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
	return address(input)
}

//go:wasmexport tak_call
func takCall(op, n uint32) int64 {
	if module == nil {
		if module = NewInstance(); module == nil {
			panic("no plugin: call sdk.Register in an init function")
		}
	}
	if cap(output) > keptOutput {
		output = nil
	}
	var s hostapi.Status
	output, s = module.Serve(imports{}, hostapi.GuestOp(op), input[:n], append(output[:0], 0))
	output[0] = byte(s)
	return hostapi.PackAnswer(address(output), uint32(len(output)))
}

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

//go:wasmimport tak1 call
func hostCall(op uint32, in unsafe.Pointer, n uint32, out unsafe.Pointer, room uint32) int64

//go:wasmimport tak1 take
func hostTake(out unsafe.Pointer, room uint32) int32

// imports is the host of a module.
type imports struct{}

func (imports) Call(op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	free := dst[len(dst):cap(dst)]
	s, n := hostapi.UnpackResult(hostCall(uint32(op), unsafe.Pointer(unsafe.SliceData(in)), uint32(len(in)),
		unsafe.Pointer(unsafe.SliceData(free)), uint32(len(free))))
	if int(n) <= len(free) {
		return dst[:len(dst)+int(n)], s
	}
	out := make([]byte, len(dst)+int(n))
	copy(out, dst)
	if got := hostTake(unsafe.Pointer(unsafe.SliceData(out[len(dst):])), n); got != int32(n) {
		panic("the host gave another answer than it kept")
	}
	return out, s
}

// Main is what main calls. A WASM plugin is a reactor: its main never runs.
func Main() {}
