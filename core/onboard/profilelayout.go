package onboard

import (
	"encoding/binary"
	"sort"
)

// zipLayout lays an archive out without reading the files in it, which
// archive/zip cannot. Files are stored as they are, with size and checksum before
// them: readers that take an archive as it comes, as Java's, cannot do with stored
// files that have these behind them. The format is that of APPNOTE.TXT 6.3, 4.3.
type zipLayout struct {
	parts []part
	size  int64
	dir   []byte // the central directory
	files int
}

const (
	zipVersion = 20             // 2.0: all that is needed for stored files and folders
	zipUnix    = 3<<8 | 20      // made by, so that the mode below counts
	zipUTF8    = 1 << 11        // flag: the name is in UTF-8
	zipMode    = 0o100644 << 16 // a plain file that its owner may write
)

// zipDay is the date of stamp, which all files have, as archives have it: years
// since 1980, month, day. Its time is 0.
var zipDay = uint16((stamp.Year()-1980)<<9 | int(stamp.Month())<<5 | stamp.Day())

func (z *zipLayout) add(name string, f *File) {
	at, le := uint32(z.size), binary.LittleEndian
	// What both headers have: version needed, flags, method, time, date, checksum,
	// sizes, lengths of the name and of what follows it.
	var b []byte
	b = le.AppendUint16(b, zipVersion)
	b = le.AppendUint16(b, zipUTF8)
	b = le.AppendUint16(b, 0) // stored
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, zipDay)
	b = le.AppendUint32(b, f.CRC)
	b = le.AppendUint32(b, uint32(f.Size))
	b = le.AppendUint32(b, uint32(f.Size))
	b = le.AppendUint16(b, uint16(len(name)))
	b = le.AppendUint16(b, 0)

	z.bytes([]byte("PK\x03\x04"), b, []byte(name))
	if f.Size > 0 {
		z.parts = append(z.parts, part{from: z.size, file: f})
		z.size += f.Size
	}
	z.dir = append(z.dir, "PK\x01\x02"...)
	z.dir = le.AppendUint16(z.dir, zipUnix)
	z.dir = append(z.dir, b...)
	z.dir = le.AppendUint16(z.dir, 0) // comment
	z.dir = le.AppendUint16(z.dir, 0) // disk
	z.dir = le.AppendUint16(z.dir, 0) // text or not
	z.dir = le.AppendUint32(z.dir, zipMode)
	z.dir = le.AppendUint32(z.dir, at)
	z.dir = append(z.dir, name...)
	z.files++
}

// end writes the directory.
func (z *zipLayout) end() {
	at, le := uint32(z.size), binary.LittleEndian
	b := []byte("PK\x05\x06\x00\x00\x00\x00")
	b = le.AppendUint16(b, uint16(z.files))
	b = le.AppendUint16(b, uint16(z.files))
	b = le.AppendUint32(b, uint32(len(z.dir)))
	b = le.AppendUint32(b, at)
	b = le.AppendUint16(b, 0) // comment
	z.bytes(z.dir, b)
}

// bytes adds bytes to the part before, or as a new one behind a file.
func (z *zipLayout) bytes(list ...[]byte) {
	last := len(z.parts) - 1
	if last < 0 || z.parts[last].file != nil {
		z.parts = append(z.parts, part{from: z.size})
		last++
	}
	for _, b := range list {
		z.parts[last].data = append(z.parts[last].data, b...)
		z.size += int64(len(b))
	}
}

// partAt gives the index of the part with that byte, -1 behind the end.
func (a *Archive) partAt(at int64) int {
	if at >= a.size {
		return -1
	}
	return sort.Search(len(a.parts), func(i int) bool { return a.parts[i].from > at }) - 1
}
