package main

import (
	"math"
	"strconv"

	"github.com/takhost/takhost/sdk"
)

// A document of the collection files is a record: a search reads thousands of them, and
// JSON would cost twenty times as much. All fields stand in it, in one order: numbers as
// varints, lowest seven bits first; texts with their length before them; lists with the
// number of their texts. Substrings of a record are its texts.

// recordForm is the first byte, by which a later form can be told from this one.
const recordForm = 1

// Bits of the flags.
const (
	hasPlace = 1 << iota
	hasAltitude
)

func (f *file) body() []byte {
	b := make([]byte, 0, 256+f.weight())
	b = append(b, recordForm)
	flags := uint64(0)
	if f.located {
		flags |= hasPlace
	}
	if f.high {
		flags |= hasAltitude
	}
	expires := uint64(0)
	if !f.expires.IsZero() {
		expires = uint64(f.expires.UnixMicro())
	}
	for _, n := range [...]uint64{flags, uint64(f.size), uint64(f.added.UnixMicro()), expires} {
		b = appendNumber(b, n)
	}
	if f.located {
		b = appendFloat(appendFloat(b, f.lat), f.lon)
	}
	if f.high {
		b = appendFloat(b, f.altitude)
	}
	for _, s := range f.texts() {
		b = appendText(b, *s)
	}
	for _, l := range f.lists() {
		b = appendNumber(b, uint64(len(*l)))
		for _, s := range *l {
			b = appendText(b, s)
		}
	}
	return b
}

// texts and lists are the fields of these kinds, in the order of the record.
func (f *file) texts() [10]*string {
	return [...]*string{&f.hash, &f.uid, &f.name, &f.mime, &f.tool, &f.submitter, &f.creator, &f.remarks, &f.path, &f.mission}
}

func (f *file) lists() [4]*[]string {
	return [...]*[]string{&f.keywords, &f.permissions, &f.contacts, &f.groups}
}

// weight is how many bytes all texts have.
func (f *file) weight() (n int) {
	for _, s := range f.texts() {
		n += len(*s)
	}
	for _, l := range f.lists() {
		for _, s := range *l {
			n += len(s)
		}
	}
	return n
}

func parse(d *sdk.Document) (*file, error) {
	key, err := strconv.ParseInt(d.ID, 10, 64)
	if err != nil {
		return nil, sdk.Failedf("the document %q has no number as its id", d.ID)
	}
	f := &file{key: key, set: d.Set}
	r := record{rest: string(d.Body)}
	if r.byte() != recordForm {
		return nil, sdk.Failedf("the document %q has a form that this version cannot read", d.ID)
	}
	flags := r.number()
	f.located, f.high = flags&hasPlace != 0, flags&hasAltitude != 0
	f.size, f.added = int64(r.number()), sdk.TimeOf(int64(r.number()))
	if at := r.number(); at > 0 {
		f.expires = sdk.TimeOf(int64(at))
	}
	if f.located {
		f.lat, f.lon = r.float(), r.float()
	}
	if f.high {
		f.altitude = r.float()
	}
	for _, s := range f.texts() {
		*s = r.text()
	}
	for _, l := range f.lists() {
		n := r.number()
		if n == 0 || n > uint64(len(r.rest)) {
			r.bad = r.bad || n > 0
			continue
		}
		*l = make([]string, n)
		for i := range *l {
			(*l)[i] = r.text()
		}
	}
	if r.bad || r.rest != "" {
		return nil, sdk.Failedf("the document %q is damaged", d.ID)
	}
	return f, nil
}

// record is what is left of one that is read. What is not there reads as zero.
type record struct {
	rest string
	bad  bool
}

func (r *record) take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.rest, r.bad = "", true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *record) byte() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (r *record) number() (n uint64) {
	for shift := 0; shift < 64; shift += 7 {
		c := r.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.bad = true
	return 0
}

func (r *record) text() string { return r.take(r.number()) }

func (r *record) float() float64 {
	n := uint64(0)
	for i, c := range []byte(r.take(8)) {
		n |= uint64(c) << (8 * i)
	}
	return math.Float64frombits(n)
}

func appendNumber(b []byte, n uint64) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func appendText(b []byte, s string) []byte { return append(appendNumber(b, uint64(len(s))), s...) }

func appendFloat(b []byte, v float64) []byte {
	n := math.Float64bits(v)
	for i := range 8 {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}
