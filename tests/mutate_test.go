package tests

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// tokens are what breaks framers when it stands in the wrong place.
var tokens = [][]byte{
	[]byte("<event"), []byte("<event "), []byte("</event>"), []byte("</event"), []byte("<event/>"), []byte("<!--"), []byte("-->"), []byte("--"),
	[]byte("<![CDATA["), []byte("]]>"), []byte("<?xml"), []byte("?>"), []byte("<!DOCTYPE x>"), []byte("<"), []byte(">"), []byte("&"), []byte("&#0;"),
	[]byte(`"`), []byte("'"), []byte("="), []byte("/"), {0}, {0xBF}, {0xBF, 0xFF, 0xFF, 0x7F}, {0xBF, 0}, {0xEF, 0xBB, 0xBF}, {0xC0, 0x80}, {0xFF, 0xFE},
}

// mutate gives a copy of b with one to three changes.
func mutate(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			return b
		}
		at := r.IntN(len(b))
		to := min(len(b), at+1+r.IntN(40))
		switch r.IntN(8) {
		case 0: // flip a bit
			b[at] ^= 1 << r.IntN(8)
		case 1: // another byte
			b[at] = byte(r.IntN(256))
		case 2: // insert bytes
			some := make([]byte, 1+r.IntN(8))
			for i := range some {
				some[i] = byte(r.IntN(256))
			}
			b = slices.Insert(b, at, some...)
		case 3: // insert what hurts
			b = slices.Insert(b, at, tokens[r.IntN(len(tokens))]...)
		case 4: // delete
			b = slices.Delete(b, at, to)
		case 5: // duplicate
			b = slices.Insert(b, to, bytes.Clone(b[at:to])...)
		case 6: // truncate
			b = b[:at]
		case 7: // move to another place
			some := bytes.Clone(b[at:to])
			b = slices.Delete(b, at, to)
			b = slices.Insert(b, r.IntN(len(b)+1), some...)
		}
	}
	return b
}
