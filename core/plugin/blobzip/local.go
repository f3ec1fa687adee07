package blobzip

import (
	"archive/zip"
	"cmp"
	"io"
	"slices"
)

// An archive says everything of a file twice: in its list, and before its data. There
// are readers that go by the one and such that go by the other. Where both do not
// agree, what was checked is not what a client unpacks.

const (
	isEncrypted = 1 << 0
	sizesBehind = 1 << 3 // sizes and checksum follow the data: the writer did not know them
)

// span is where a file lies, from its header to the end of its data.
type span struct {
	from, to int64
	name     string
}

// checkLocal compares the list with what stands before the data of each file.
func (l *list) checkLocal(r io.ReaderAt, files []*zip.File, places []place) error {
	if len(files) != len(places) {
		return broken(zip.ErrFormat)
	}
	spans := make([]span, len(files))
	var buf []byte
	for i, f := range files {
		p := &places[i]
		if f.CRC32 != p.crc || f.Flags != p.flags || f.Method != p.method { // archive/zip found another list
			return broken(zip.ErrFormat)
		}
		n := localLen + len(f.Name)
		if p.offset > l.offset-int64(n) {
			return refuse(Broken, "%s is not where its list says", show(f.Name))
		}
		buf = slices.Grow(buf[:0], n)[:n]
		if _, err := r.ReadAt(buf, p.offset); err != nil {
			return broken(err)
		}
		if le.Uint32(buf) != localSignature {
			return refuse(Broken, "%s is not where its list says", show(f.Name))
		}
		extraLen := int(le.Uint16(buf[28:]))
		var extra []byte
		if le.Uint32(buf[18:]) == saturated || le.Uint32(buf[22:]) == saturated {
			extra = make([]byte, extraLen)
			if _, err := r.ReadAt(extra, p.offset+int64(n)); err != nil {
				return broken(err)
			}
		}
		if what := differs(f, buf, extra); what != "" {
			return refuse(Broken, "%s has another %s in its list than before its data", show(f.Name), what)
		}
		// Sizes were checked against that of the archive, so nothing overflows.
		spans[i] = span{p.offset, p.offset + int64(n) + int64(extraLen) + int64(f.CompressedSize64), f.Name}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := range spans {
		next := l.offset
		if i+1 < len(spans) {
			next = spans[i+1].from
		}
		if spans[i].to > next {
			return refuse(Broken, "%s shares its data with something else", show(spans[i].name))
		}
	}
	return nil
}

// differs says what of a file is another thing before its data; empty: nothing.
func differs(f *zip.File, head, extra []byte) string {
	flags := le.Uint16(head[6:])
	crc, packed, size := le.Uint32(head[14:]), uint64(le.Uint32(head[18:])), uint64(le.Uint32(head[22:]))
	field := zip64Field(extra)
	for _, v := range []*uint64{&size, &packed} { // in this order
		if *v == saturated && len(field) >= 8 {
			*v, field = le.Uint64(field), field[8:]
		}
	}
	late := flags&sizesBehind != 0
	same := func(here, list uint64) bool { return here == list || late && (here == 0 || here == saturated) }
	switch {
	case int(le.Uint16(head[26:])) != len(f.Name) || string(head[localLen:]) != f.Name:
		return "name"
	case le.Uint16(head[8:]) != f.Method:
		return "method"
	case (flags^f.Flags)&isEncrypted != 0:
		return "encryption"
	case !same(size, f.UncompressedSize64), !same(packed, f.CompressedSize64):
		return "size"
	case !same(uint64(crc), uint64(f.CRC32)):
		return "checksum"
	}
	return ""
}
