package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/guest"
)

// bare gives an instance whose functions a test calls itself.
func bare(t testing.TB) *instance {
	t.Helper()
	r := newRuntime(t, Options{})
	m, err := r.Load(t.Context(), guest.Code{Module: tinyModule{}.bytes()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close(context.Background()) })
	i := newInstance(t, m, echo).(*instance)
	i.ctx, i.serving = t.Context(), true
	return i
}

// end calls a function and gives how it ended the guest, nil if it did not.
func end(i *instance, f function, slots []uint64) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case badGuest:
			err = p
		case *sys.ExitError:
			err = p
		default:
			panic(p)
		}
	}()
	f.do(i, slots)
	return nil
}

// Whatever numbers a guest passes, a function answers, or ends the guest in one
// of the ways meant for that. The upper halves of slots are garbage as in wazero.
func TestNoFunctionTrustsItsGuest(t *testing.T) {
	i := bare(t)
	random := rand.New(rand.NewPCG(1, 2))
	interesting := []uint64{0, 1, 2, 8, 48, 127, 128, 129, 2*pageSize - 1, 2 * pageSize, 2*pageSize + 1, 1 << 31, 1<<32 - 1}
	for module, functions := range map[string]map[string]function{"tak1": imports, "wasi": wasi} {
		for name, f := range functions {
			for range 300 {
				slots := make([]uint64, max(len(f.typ.params), len(f.typ.results)))
				for k := range slots {
					slots[k] = interesting[random.IntN(len(interesting))] | random.Uint64()<<32
				}
				for at := range uint32(256) {
					i.mod.Memory().WriteByte(at, byte(random.Uint32()))
				}
				// What it waits for has an end.
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				i.ctx = ctx
				in := slices.Clone(slots)
				if err := end(i, f, slots); err != nil {
					continue
				}
				if f.typ.results == i32 && name != "take" && slots[0] > 76 {
					t.Fatalf("%s.%s(%x): got %d, want an errno", module, name, in, slots[0])
				}
			}
		}
	}
}

// Our WASI has the functions of wazero's, with the same types.
func TestAllOfWASI(t *testing.T) {
	r := wazero.NewRuntime(t.Context())
	defer r.Close(context.Background())
	theirs, err := wasi_snapshot_preview1.NewBuilder(r).Compile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range theirs.ExportedFunctions() {
		want := signature{string(f.ParamTypes()), string(f.ResultTypes())}
		if got := wasi[name].typ; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if got, want := len(wasi), len(theirs.ExportedFunctions()); got != want {
		t.Errorf("got %d functions, want %d", got, want)
	}
}

func TestPrintedBuffers(t *testing.T) {
	i := bare(t)
	put := func(at uint32, values ...uint32) {
		for k, v := range values {
			i.mod.Memory().WriteUint32Le(at+4*uint32(k), v)
		}
	}
	i.mod.Memory().WriteString(1000, "first second")
	tests := []struct {
		name    string
		fd      uint64
		iovs    []uint32
		errno   uint64
		written uint32
		output  string
	}{
		{"one", 1, []uint32{1000, 5}, errnoOK, 5, "first"},
		{"two", 2, []uint32{1006, 6, 1000, 5}, errnoOK, 11, "secondfirst"},
		{"none", 1, nil, errnoOK, 0, ""},
		{"standard input", 0, []uint32{1000, 5}, errnoBadf, 0, ""},
		{"a file", 3, []uint32{1000, 5}, errnoBadf, 0, ""},
		{"outside", 1, []uint32{2 * pageSize, 1}, errnoFault, 0, ""},
		{"more than there is memory", 1, []uint32{0, 2 * pageSize, 0, 2 * pageSize}, errnoFault, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i.out.begin()
			put(500, 0)
			put(600, tt.iovs...)
			slots := []uint64{tt.fd, 600, uint64(len(tt.iovs) / 2), 500}
			if err := end(i, wasi["fd_write"], slots); err != nil {
				t.Fatal(err)
			}
			written, _ := i.mod.Memory().ReadUint32Le(500)
			if slots[0] != tt.errno || written != tt.written {
				t.Errorf("got errno %d and %d bytes, want %d and %d", slots[0], written, tt.errno, tt.written)
			}
			if got := i.out.text(); tt.output != "" && got != tt.output {
				t.Errorf("got %q, want %q", got, tt.output)
			}
		})
	}
}

func TestPoll(t *testing.T) {
	i := bare(t)
	sub := func(user uint64, tag byte, fd uint32, timeout uint64) []byte {
		b := make([]byte, subSize)
		binary.LittleEndian.PutUint64(b, user)
		b[8] = tag
		binary.LittleEndian.PutUint32(b[16:], fd)
		binary.LittleEndian.PutUint64(b[24:], timeout)
		return b
	}
	type event struct {
		user  uint64
		errno uint16
		tag   byte
	}
	tests := []struct {
		name string
		subs [][]byte
		want []event
	}{
		{"a clock", [][]byte{sub(7, tagClock, clockMonotonic, 1000)}, []event{{7, 0, tagClock}}},
		{"the shorter clock", [][]byte{sub(7, tagClock, 0, 1<<62), sub(8, tagClock, 1, 1000)}, []event{{8, 0, tagClock}}},
		{"output", [][]byte{sub(7, tagClock, 0, 1<<62), sub(8, tagWrite, 1, 0)}, []event{{8, 0, tagWrite}}},
		{"a file", [][]byte{sub(7, tagClock, 0, 1<<62), sub(8, tagRead, 5, 0)}, []event{{8, errnoBadf, tagRead}}},
		{"an unknown clock", [][]byte{sub(9, tagClock, 77, 1000)}, []event{{9, errnoInval, tagClock}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i.mod.Memory().Write(0, slices.Concat(tt.subs...))
			slots := []uint64{0, 8192, uint64(len(tt.subs)), 16384}
			if err := end(i, wasi["poll_oneoff"], slots); err != nil || slots[0] != errnoOK {
				t.Fatalf("got errno %d, error %v", slots[0], err)
			}
			n, _ := i.mod.Memory().ReadUint32Le(16384)
			var got []event
			for k := range n {
				b, _ := i.mod.Memory().Read(8192+k*eventSize, eventSize)
				got = append(got, event{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint16(b[8:]), b[10]})
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("ends with the call", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		i.ctx = ctx
		i.mod.Memory().Write(0, sub(7, tagClock, 0, 1<<62))
		done := make(chan error)
		go func() { done <- end(i, wasi["poll_oneoff"], []uint64{0, 8192, 1, 16384}) }()
		cancel()
		var exit *sys.ExitError
		if err := <-done; !errors.As(err, &exit) {
			t.Errorf("got %v, want that the guest ends", err)
		}
	})
}

// FuzzParse: any bytes give a layout or an error, and a module whose tables are
// bounded and whose data are joined is as good as before.
func FuzzParse(f *testing.F) {
	f.Add(tinyModule{}.bytes())
	f.Add(tinyModule{tables: []string{"\x70\x00\x01", "\x6f\x01\x01\x02"}, start: bodyLoop}.bytes())
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	f.Add(tinyModule{last: dataSection(segment{8, []byte("ab")}, segment{12, []byte("c")})}.bytes())
	f.Fuzz(func(t *testing.T, module []byte) {
		l, err := parse(module)
		if err != nil || l.check(1<<20) != nil {
			return
		}
		if l.dataTo > 0 {
			if before, ok := segments(module[l.dataFrom:l.dataTo]); ok {
				if diff := cmp.Diff(image(before), image(segmentsOf(t, l.joinData(module)))); diff != "" {
					t.Errorf("memory after data were joined (-want +got):\n%s", diff)
				}
			}
		}
		module = l.joinData(module)
		again, err := parse(l.boundTables(module))
		if err != nil {
			t.Fatalf("with bounded tables: %v", err)
		}
		for k, table := range again.tables {
			if table.flags&limitMax == 0 || table.max > maxTable || table.min != l.tables[k].min {
				t.Errorf("table %d: got %+v of %+v", k, table, l.tables[k])
			}
		}
	})
}
