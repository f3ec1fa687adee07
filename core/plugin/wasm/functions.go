package wasm

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/takhost/takhost/hostapi"
)

// function is one that guests may import. do gets the slots of the parameters,
// of which those of type i32 have garbage in their upper halves, and puts the
// result into the first slot. It may end the guest by a panic with an error.
type function struct {
	typ signature
	do  func(i *instance, slots []uint64)
}

// imports are the functions of hostapi.ImportModule.
var imports = map[string]function{
	hostapi.ImportCall:  {signature{i32 + i32 + i32 + i32 + i32, i64}, (*instance).hostCall},
	hostapi.ImportTake:  {signature{i32 + i32, i32}, (*instance).hostTake},
	hostapi.ImportYield: {signature{"", ""}, func(i *instance, _ []uint64) { i.mustGoOn() }},
}

// provide gives functions to the modules of a runtime.
func provide(ctx context.Context, r wazero.Runtime, module string, functions map[string]function) error {
	b := r.NewHostModuleBuilder(module)
	for name, f := range functions {
		b.NewFunctionBuilder().
			WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, _ api.Module, slots []uint64) {
				f.do(ctx.(*callContext).instance, slots)
			}), valueTypes(f.typ.params), valueTypes(f.typ.results)).
			Export(name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

func valueTypes(types string) []api.ValueType { return []api.ValueType(types) }

// badGuest is what a guest did that no guest may do.
type badGuest string

func (b badGuest) Error() string { return string(b) }

// mustGoOn ends the guest if its call has ended.
func (i *instance) mustGoOn() {
	if i.ctx.Err() != nil {
		panic(sys.NewExitError(sys.ExitCodeContextCanceled))
	}
}

// read gives n bytes of the guest's memory, until the guest runs again.
func (i *instance) read(what string, at, n uint32) []byte {
	b, ok := i.mod.Memory().Read(at, n)
	if !ok {
		panic(badGuest(fmt.Sprintf("%s: %d bytes at %d are outside of the memory of %d", what, n, at, i.mod.Memory().Size())))
	}
	return b
}

// hostCall is the import call: (op, ptr, len, rptr, rcap) → status<<32 | length.
func (i *instance) hostCall(slots []uint64) {
	op := hostapi.HostOp(uint32(slots[0]))
	in := i.read("call with input", uint32(slots[1]), uint32(slots[2]))
	out := i.read("call with room for the answer", uint32(slots[3]), uint32(slots[4]))
	i.kept = nil
	if !i.serving {
		// The module starts: there is no call that the operation could belong to.
		slots[0] = uint64(hostapi.PackResult(hostapi.Unsupported, 0))
		return
	}
	i.mustGoOn()
	answer, status := i.host.Serve(i.ctx, op, in, i.answer[:0])
	i.answer = answer
	if len(answer) <= len(out) {
		copy(out, answer)
	} else {
		i.kept = answer
	}
	slots[0] = uint64(hostapi.PackResult(status, uint32(len(answer))))
}

// hostTake is the import take: (rptr, rcap) → length, or NothingKept.
func (i *instance) hostTake(slots []uint64) {
	out := i.read("take", uint32(slots[0]), uint32(slots[1]))
	n := hostapi.NothingKept
	if i.kept != nil && len(i.kept) <= len(out) {
		n = int32(copy(out, i.kept))
	}
	slots[0] = api.EncodeI32(n)
}
