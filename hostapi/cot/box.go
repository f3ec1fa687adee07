package cot

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Box is an area in degrees WGS-84, its edges included. One whose west is east
// of its east crosses the 180th meridian.
type Box struct{ South, West, North, East float64 }

// ParseBox reads south,west,north,east.
func ParseBox(s string) (b Box, err error) {
	short := func(s string) string { return strconv.Quote(s[:min(len(s), 40)]) }
	parts := strings.Split(s, ",")
	if len(parts) != 4 {
		return b, errors.New(short(s) + " is no box: write south,west,north,east in degrees, such as 47.5,10.5,49,12")
	}
	for i, to := range []*float64{&b.South, &b.West, &b.North, &b.East} {
		v, err := strconv.ParseFloat(strings.TrimSpace(parts[i]), 64)
		most, text := 90.0, "90"
		if i%2 == 1 {
			most, text = 180, "180"
		}
		if err != nil || math.IsNaN(v) || math.Abs(v) > most {
			return b, errors.New(short(s) + " is no box: " + short(parts[i]) + " is not a number from -" + text + " to " + text)
		}
		*to = v
	}
	if b.South > b.North {
		return b, errors.New(short(s) + " is no box: its south is north of its north; the order is south,west,north,east")
	}
	return b, nil
}

// Valid says whether the edges are degrees and in order.
func (b Box) Valid() bool {
	return b.South >= -90 && b.South <= b.North && b.North <= 90 &&
		b.West >= -180 && b.West <= 180 && b.East >= -180 && b.East <= 180
}

// Holds says whether a place is in the box.
func (b Box) Holds(lat, lon float64) bool {
	if lat < b.South || lat > b.North {
		return false
	}
	if b.West <= b.East {
		return lon >= b.West && lon <= b.East
	}
	return lon >= b.West || lon <= b.East
}
