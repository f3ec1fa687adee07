package blobzip

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// What is read here of an archive is what archive/zip does not tell: how many files
// there are said to be, before all of them are in memory, and where each begins. The
// format is that of PKWARE's APPNOTE.TXT 4.3.

const (
	localSignature = 0x04034b50
	entrySignature = 0x02014b50
	endSignature   = 0x06054b50
	end64Signature = 0x06064b50
	placeSignature = 0x07064b50 // of what tells where that is

	localLen, entryLen, endLen, end64Len, placeLen = 30, 46, 22, 56, 20

	endSearch = endLen + 0xffff // bytes at the end in which its record begins: a comment follows

	// listBytes bounds the list of files: it takes several times as much memory as it
	// has bytes.
	listBytes = 4 << 20

	saturated = 1<<32 - 1 // the true number is 64 bits, in the extra field
	zip64Tag  = 1
)

var le = binary.LittleEndian

// list is where the list of files lies.
type list struct {
	offset, size int64
	count        int
}

// findList reads the end of an archive and refuses one whose list is too large, or
// not where it says: a reader that looks for it in another way would find other files.
func findList(r io.ReaderAt, size int64, l *Limits) (list, error) {
	tail := make([]byte, min(size, endSearch))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return list{}, broken(err)
	}
	at := findEnd(tail)
	if at < 0 {
		return list{}, broken(zip.ErrFormat)
	}
	end := tail[at:]
	count, bytes, offset := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	behind := size - int64(len(end)) // the list
	if count == 0xffff || bytes == saturated || offset == saturated {
		p, record, err := findEnd64(r, behind)
		if err != nil {
			return list{}, err
		}
		if record != nil {
			count, bytes, offset, behind = le.Uint64(record[32:]), le.Uint64(record[40:]), le.Uint64(record[48:]), p
		}
	}
	switch {
	case count > uint64(l.Entries):
		return list{}, refuse(Bomb, "it has %d files, %d are allowed", count, l.Entries)
	case bytes > listBytes:
		return list{}, refuse(Bomb, "its list of files is too long")
	case offset > uint64(behind) || bytes != uint64(behind)-offset:
		return list{}, refuse(Broken, "its list of files is not where its end says")
	case bytes < count*entryLen:
		return list{}, refuse(Broken, "its list of files is too short for %d of them", count)
	}
	return list{int64(offset), int64(bytes), int(count)}, nil
}

// findEnd gives where in the tail the last record of an archive begins; -1: there is
// none. It goes as archive/zip does.
func findEnd(tail []byte) int {
	for i := len(tail) - endLen; i >= 0; i-- {
		i = bytes.LastIndex(tail[:i+4], []byte("PK\x05\x06"))
		if i < 0 {
			break
		}
		if i+endLen <= len(tail) {
			if i+endLen+int(le.Uint16(tail[i+20:])) > len(tail) {
				return -1 // its comment is cut
			}
			return i
		}
	}
	return -1
}

// findEnd64 gives the record with numbers of 64 bits, if there is one.
func findEnd64(r io.ReaderAt, end int64) (at int64, record []byte, err error) {
	if end < placeLen+end64Len {
		return 0, nil, nil
	}
	place := make([]byte, placeLen)
	if _, err := r.ReadAt(place, end-placeLen); err != nil {
		return 0, nil, broken(err)
	}
	if le.Uint32(place) != placeSignature {
		return 0, nil, nil
	}
	where := le.Uint64(place[8:])
	if where > uint64(end-placeLen-end64Len) {
		return 0, nil, broken(zip.ErrFormat)
	}
	record = make([]byte, end64Len)
	if _, err := r.ReadAt(record, int64(where)); err != nil {
		return 0, nil, broken(err)
	}
	if le.Uint32(record) != end64Signature {
		return 0, nil, broken(zip.ErrFormat)
	}
	return int64(where), record, nil
}

// place is where a file begins, as the list says, with some of what else it says.
type place struct {
	offset        int64
	crc           uint32
	flags, method uint16
}

// places reads the list, without keeping names.
func (l *list) places(r io.ReaderAt) ([]place, error) {
	out := make([]place, 0, l.count)
	in := bufio.NewReaderSize(io.NewSectionReader(r, l.offset, l.size), 16<<10)
	head, extra := make([]byte, entryLen), []byte(nil)
	for range l.count {
		if _, err := io.ReadFull(in, head); err != nil {
			return nil, broken(err)
		}
		if le.Uint32(head) != entrySignature {
			return nil, broken(zip.ErrFormat)
		}
		p := place{offset: int64(le.Uint32(head[42:])), crc: le.Uint32(head[16:]), flags: le.Uint16(head[8:]), method: le.Uint16(head[10:])}
		nameLen, extraLen, commentLen := int(le.Uint16(head[28:])), int(le.Uint16(head[30:])), int(le.Uint16(head[32:]))
		if p.offset != saturated {
			nameLen, extraLen = nameLen+extraLen, 0
		}
		if _, err := in.Discard(nameLen); err != nil {
			return nil, broken(err)
		}
		if p.offset == saturated {
			extra = append(extra[:0], make([]byte, extraLen)...)
			if _, err := io.ReadFull(in, extra); err != nil {
				return nil, broken(err)
			}
			before := 0 // sizes stand before it, as far as they have no room either
			for _, at := range []int{24, 20} {
				if le.Uint32(head[at:]) == saturated {
					before += 8
				}
			}
			field := zip64Field(extra)
			if len(field) < before+8 || le.Uint64(field[before:]) > 1<<62 {
				return nil, broken(zip.ErrFormat)
			}
			p.offset = int64(le.Uint64(field[before:]))
		}
		if _, err := in.Discard(commentLen); err != nil {
			return nil, broken(err)
		}
		out = append(out, p)
	}
	return out, nil
}

// zip64Field gives the part of an extra field that has numbers of 64 bits.
func zip64Field(extra []byte) []byte {
	for len(extra) >= 4 {
		tag, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			return nil
		}
		if tag == zip64Tag {
			return extra[:n]
		}
		extra = extra[n:]
	}
	return nil
}
