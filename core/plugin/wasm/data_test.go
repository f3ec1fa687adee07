package wasm

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dataSection writes segments of data as a section.
func dataSection(list ...segment) string {
	body := appendNumber(nil, uint64(len(list)))
	for _, s := range list {
		body = append(appendSigned(append(body, segmentActive, opI32Const), int32(s.at)), opEnd)
		body = append(appendNumber(body, uint64(len(s.data))), s.data...)
	}
	return string(appendNumber([]byte{sectionData}, uint64(len(body)))) + string(body)
}

// segmentsOf gives the segments of a module.
func segmentsOf(t testing.TB, module []byte) []segment {
	t.Helper()
	l, err := parse(module)
	if err != nil {
		t.Fatal(err)
	}
	list, ok := segments(module[l.dataFrom:l.dataTo])
	if !ok {
		t.Fatal("the segments cannot be read")
	}
	return list
}

func joined(t testing.TB, module []byte) []byte {
	t.Helper()
	l, err := parse(module)
	if err != nil {
		t.Fatal(err)
	}
	return l.joinData(module)
}

func TestJoinData(t *testing.T) {
	seg := func(at uint32, data string) segment { return segment{at, []byte(data)} }
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	much := strings.Repeat("much ", 40) // 200 bytes: leave for as many zeros
	tests := []struct {
		name     string
		in, want []segment
	}{
		{"one", []segment{seg(8, "a")}, []segment{seg(8, "a")}},
		{"touching", []segment{seg(8, "ab"), seg(10, "c")}, []segment{seg(8, "abc")}},
		{"near", []segment{seg(8, "ab"), seg(13, "c")}, []segment{seg(8, "ab"+zeros(3)+"c")}},
		{"far", []segment{seg(0, much), seg(200+joinedGap+1, "c"), seg(300, "d")},
			[]segment{seg(0, much), seg(200+joinedGap+1, "c"+zeros(34)+"d")}},
		{"not in order", []segment{seg(80, "ab"), seg(10, "c"), seg(9, "d")}, []segment{seg(9, "dc"), seg(80, "ab")}},
		{"empty ones", []segment{seg(8, ""), seg(8, "a"), seg(9, "")}, []segment{seg(8, "a")}},
		{"upper half of the memory", []segment{seg(0x8000_0000, "a"), seg(0x8000_0002, "b")}, []segment{seg(0x8000_0000, "a\x00b")}},
		{"more zeros than data", []segment{seg(0, "a"), seg(20, "b"), seg(60, "c")}, []segment{seg(0, "a"+zeros(19)+"b"), seg(60, "c")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := segmentsOf(t, joined(t, tinyModule{last: dataSection(tt.in...)}.bytes()))
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(segment{})); diff != "" {
				t.Errorf("segments (-want +got):\n%s", diff)
			}
		})
	}
}

// Modules that count on their segments being what they are stay as they are.
func TestJoinDataLeaves(t *testing.T) {
	near := dataSection(segment{0, []byte("a")}, segment{2, []byte("b")})
	tests := []struct{ name, last string }{
		{"overlapping", dataSection(segment{8, []byte("ab")}, segment{9, []byte("c")})},
		{"segments are named by number", "\x0c\x01\x02" + near},
		{"one that waits to be named", "\x0b\x0a\x02\x00\x41\x00\x0b\x01a\x01\x01b"},
		{"a place that is computed", "\x0b\x0b\x02\x00\x23\x00\x0b\x01a\x00\x41\x02\x0b"},
		{"cut", near[:len(near)-1]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			module := tinyModule{last: tt.last}.bytes()
			l, err := parse(module)
			if err != nil {
				return // refused before
			}
			if got := l.joinData(module); !bytes.Equal(got, module) {
				t.Errorf("changed to %q", got[len(module)-len(tt.last):])
			}
		})
	}
}

// image gives what segments leave in a memory, without zeros.
func image(list []segment) map[uint64]byte {
	m := map[uint64]byte{}
	for _, s := range list {
		for i, c := range s.data {
			if at := uint64(s.at) + uint64(i); c != 0 {
				m[at] = c
			}
		}
	}
	return m
}

// Whatever is joined, the memory is the same.
func TestJoinDataKeepsMemory(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var list []segment
		for at, n := uint32(r.IntN(1000)), r.IntN(50); n > 0; n-- {
			data := make([]byte, r.IntN(40))
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			list = append(list, segment{at, data})
			at += uint32(len(data) + r.IntN(2*joinedGap))
		}
		r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
		got := segmentsOf(t, joined(t, tinyModule{last: dataSection(list...)}.bytes()))
		if diff := cmp.Diff(image(list), image(got)); diff != "" {
			t.Fatalf("seed %d: memory (-want +got):\n%s", seed, diff)
		}
	}
}
