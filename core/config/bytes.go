package config

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Bytes is a size, never negative.
type Bytes int64

// Decimal and binary units.
const (
	KB Bytes = 1000
	MB       = 1000 * KB
	GB       = 1000 * MB
	TB       = 1000 * GB

	KiB Bytes = 1024
	MiB       = 1024 * KiB
	GiB       = 1024 * MiB
	TiB       = 1024 * GiB
)

var byteUnits = [...]struct {
	name string
	size Bytes
}{
	{"TiB", TiB}, {"TB", TB}, {"GiB", GiB}, {"GB", GB}, {"MiB", MiB}, {"MB", MB}, {"KiB", KiB}, {"kB", KB},
}

// String gives the shortest form that ParseBytes reads back to the same
// number; of two equally short ones the one with a unit.
func (b Bytes) String() string {
	best := strconv.FormatInt(int64(b), 10)
	for _, u := range byteUnits {
		if b == 0 || b%u.size != 0 {
			continue
		}
		s := strconv.FormatInt(int64(b/u.size), 10) + u.name
		if len(s) < len(best) || len(s) == len(best) && !strings.HasSuffix(best, "B") {
			best = s
		}
	}
	return best
}

// ParseBytes reads sizes such as 10GB (decimal), 8MiB (binary), 1.5GB and
// plain numbers of bytes. Upper and lower case are the same.
func ParseBytes(s string) (Bytes, error) {
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	unit := s[len(number):]
	number = strings.TrimRight(number, " ")
	size := Bytes(0)
	switch {
	case unit == "" || strings.EqualFold(unit, "B"):
		size = 1
	default:
		for _, u := range byteUnits {
			if strings.EqualFold(unit, u.name) {
				size = u.size
			}
		}
	}
	if size == 0 {
		if len(unit) == 1 && strings.ContainsAny(unit, "kKmMgGtT") {
			u := strings.ToUpper(unit)
			return 0, fmt.Errorf("%s is not a size: write %s%sB (decimal) or %s%siB (binary)", quote(s), number, u, number, u)
		}
		return 0, badBytes(s)
	}
	n, ok := multiply(number, uint64(size))
	if !ok {
		return 0, badBytes(s)
	}
	return Bytes(n), nil
}

// multiply gives number × size, where number may have decimal places as long
// as the result is whole and fits into an int64.
func multiply(number string, size uint64) (int64, bool) {
	whole, frac, point := strings.Cut(number, ".")
	if point && frac == "" || len(frac) > 15 || strings.ContainsAny(number, "+-_") {
		return 0, false
	}
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil {
		return 0, false
	}
	hi, total := bits.Mul64(n, size)
	if hi != 0 || total > math.MaxInt64 {
		return 0, false
	}
	if frac != "" {
		f, err := strconv.ParseUint(frac, 10, 63)
		if err != nil {
			return 0, false
		}
		scale := uint64(math.Pow10(len(frac)))
		hi, lo := bits.Mul64(f, size)
		if hi >= scale {
			return 0, false
		}
		q, r := bits.Div64(hi, lo, scale)
		if r != 0 || q > math.MaxInt64-total {
			return 0, false
		}
		total += q
	}
	return int64(total), true
}

func badBytes(s string) error {
	return fmt.Errorf("%s is not a size: write a number of bytes, or a number with kB, MB, GB (decimal) or KiB, MiB, GiB (binary), such as 8MiB", quote(s))
}
