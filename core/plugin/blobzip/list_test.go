package blobzip

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// packedFile is a file of an archive as it is written byte by byte. Numbers of 0 are what
// is true.
type packedFile struct {
	name, local    string // local: the name before the data, if it is another
	content        string
	flags          uint16
	method         uint16
	offset         uint32 // in the list
	crc, listCRC   uint32
	size, listSize uint32 // unpacked
	packed         uint32 // before the data
	wide           bool   // sizes and place are numbers of 64 bits
}

// archive writes files, which are not compressed, and the list.
func archive(files ...packedFile) []byte {
	var b, dir []byte
	or := func(v, def uint32) uint32 {
		if v != 0 {
			return v
		}
		return def
	}
	for _, f := range files {
		at, n, crc := uint32(len(b)), uint32(len(f.content)), crc32.ChecksumIEEE([]byte(f.content))
		local := f.local
		if local == "" {
			local = f.name
		}
		var extra, listExtra []byte
		size, packed, listSize, listPacked, offset := or(f.size, n), or(f.packed, n), or(f.listSize, n), n, or(f.offset, at)
		if f.wide {
			extra = le.AppendUint16(le.AppendUint16(nil, zip64Tag), 16)
			extra = le.AppendUint64(le.AppendUint64(extra, uint64(size)), uint64(packed))
			listExtra = le.AppendUint16([]byte{9, 9, 2, 0, 1, 2}, zip64Tag) // behind a field that nobody knows
			listExtra = le.AppendUint64(le.AppendUint64(le.AppendUint16(listExtra, 24), uint64(listSize)), uint64(listPacked))
			listExtra = le.AppendUint64(listExtra, uint64(offset))
			size, packed, listSize, listPacked, offset = saturated, saturated, saturated, saturated, saturated
		}
		b = le.AppendUint32(b, localSignature)
		for _, v := range []uint16{45, f.flags, f.method, 0, 0x21} {
			b = le.AppendUint16(b, v)
		}
		for _, v := range []uint32{or(f.crc, crc), packed, size} {
			b = le.AppendUint32(b, v)
		}
		b = le.AppendUint16(le.AppendUint16(b, uint16(len(local))), uint16(len(extra)))
		b = append(append(append(b, local...), extra...), f.content...)

		dir = le.AppendUint32(dir, entrySignature)
		for _, v := range []uint16{45, 45, f.flags, 0, 0, 0x21} {
			dir = le.AppendUint16(dir, v)
		}
		for _, v := range []uint32{or(f.listCRC, crc), listPacked, listSize} {
			dir = le.AppendUint32(dir, v)
		}
		for _, v := range []uint16{uint16(len(f.name)), uint16(len(listExtra)), 0, 0, 0, 0, 0} {
			dir = le.AppendUint16(dir, v)
		}
		dir = le.AppendUint32(dir, offset)
		dir = append(append(dir, f.name...), listExtra...)
	}
	return ended(b, dir, len(files))
}

// ended appends the list and the end.
func ended(b, dir []byte, count int) []byte {
	at := len(b)
	b = append(b, dir...)
	b = le.AppendUint32(b, endSignature)
	for _, v := range []uint16{0, 0, uint16(count), uint16(count)} {
		b = le.AppendUint16(b, v)
	}
	return append(le.AppendUint32(le.AppendUint32(b, uint32(len(dir))), uint32(at)), 0, 0)
}

// widened has the end say by numbers of 64 bits where the list is.
func widened(b []byte) []byte {
	end := b[len(b)-endLen:]
	count, size, offset := uint64(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	b = b[:len(b)-endLen]
	at := uint64(len(b))
	b = le.AppendUint64(le.AppendUint32(b, end64Signature), end64Len-12)
	b = le.AppendUint32(le.AppendUint16(le.AppendUint16(b, 45), 45), 0)
	b = le.AppendUint32(b, 0)
	for _, v := range []uint64{count, count, size, offset} {
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(le.AppendUint64(le.AppendUint32(le.AppendUint32(b, placeSignature), 0), at), 1)
	b = le.AppendUint32(b, endSignature)
	b = append(b, 0, 0, 0, 0)
	for range 12 {
		b = append(b, 0xff)
	}
	return append(b, 0, 0)
}

func TestTwoHeadersThatDiffer(t *testing.T) {
	a, b := packedFile{name: "a", content: "hello"}, packedFile{name: "b", content: "world!"}
	with := func(change func(*packedFile)) []byte {
		c := a
		change(&c)
		return archive(c, b)
	}
	good := archive(a, b)
	for name, c := range map[string]struct {
		zip  []byte
		text string
	}{
		"name":                    {with(func(f *packedFile) { f.local = "c" }), `"a" has another name`},
		"length of the name":      {with(func(f *packedFile) { f.local = "../a" }), "another name"},
		"method":                  {with(func(f *packedFile) { f.method = 8 }), "another method"},
		"size":                    {with(func(f *packedFile) { f.size = 4 }), "another size"},
		"packed size":             {with(func(f *packedFile) { f.packed = 4 }), "another size"},
		"checksum":                {with(func(f *packedFile) { f.crc = 1 }), "another checksum"},
		"size, which follows too": {with(func(f *packedFile) { f.flags, f.size = sizesBehind, 4 }), "another size"},
		"no header there":         {with(func(f *packedFile) { f.offset = 3 }), "not where its list says"},
		"in the list":             {with(func(f *packedFile) { f.offset = 0x7fffffff }), "not where its list says"},
		"before the archive":      {append([]byte("#!/bin/sh\n"), good...), "not where its end says"},
		"more than it says":       {ended(bytes.Clone(good[:73]), good[73:len(good)-endLen], 1), "broken"},
		"fewer":                   {ended(bytes.Clone(good[:73]), good[73:len(good)-endLen], 3), "too short"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openBytes(c.zip, Default)
			wantError(t, err, Broken, c.text)
		})
	}
	// Bytes behind the end, as a form that is parsed badly leaves them, do no harm.
	for _, b := range [][]byte{good, append(bytes.Clone(good), "\r\n"...)} {
		if a, err := openBytes(b, Default); err != nil || len(a.Entries) != 2 {
			t.Errorf("got %+v, error %v", a, err)
		}
	}
}

// TestSharedData: files that lie in one another unpack to more than there is.
func TestSharedData(t *testing.T) {
	inner := archive(packedFile{name: "b", content: "inside"})
	inner = inner[:len(inner)-endLen-entryLen-1] // what stands before its list
	outer := packedFile{name: "a", content: string(inner)}
	b := archive(outer, packedFile{name: "b", content: "inside"})
	at := bytes.LastIndex(b, []byte("PK\x01\x02"))
	le.PutUint32(b[at+42:], localLen+1) // that of b in the list: inside of a
	_, err := openBytes(b, Default)
	wantError(t, err, Broken, "shares its data")

	twice := archive(packedFile{name: "a", content: "hello"}, packedFile{name: "b", content: "hello"})
	at = bytes.LastIndex(twice, []byte("PK\x01\x02"))
	le.PutUint32(twice[at+42:], 0)
	twice[at+entryLen] = 'A' // only names differ, and so it is refused before
	_, err = openBytes(twice, Default)
	wantError(t, err, Unsafe, "case alone")
}

func TestWide(t *testing.T) {
	a, b := packedFile{name: "a", content: "hello", wide: true}, packedFile{name: "b", content: "world!"}
	for name, z := range map[string][]byte{
		"files": archive(a, b), "the list": widened(archive(packedFile{name: "a", content: "hello"}, b)), "both": widened(archive(a, b)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := openBytes(z, Default)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Entry{{"a", 5}, {"b", 6}}, got.Entries); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
			for name, want := range map[string]string{"a": "hello", "b": "world!"} {
				if text, err := readEntry(got, name); err != nil || text != want {
					t.Errorf("%s: got %q, error %v", name, text, err)
				}
			}
		})
	}
	lying := a
	lying.size = 6
	_, err := openBytes(archive(lying, b), Default)
	wantError(t, err, Broken, "another size")
	many := widened(archive(a, b))
	at := bytes.LastIndex(many, []byte("PK\x06\x06"))
	le.PutUint64(many[at+32:], 1<<40)
	_, err = openBytes(many, Default)
	wantError(t, err, Bomb, "1099511627776 files")
	le.PutUint64(many[at+32:], 2)
	le.PutUint64(many[at+48:], 1<<63)
	_, err = openBytes(many, Default)
	wantError(t, err, Broken, "not where")
}

func readEntry(a *Archive, name string) (string, error) {
	r, _, err := a.Open(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// TestChecksums: a wrong one is found when the file is read, also one of 0, which
// some take for none.
func TestChecksums(t *testing.T) {
	for _, sum := range []uint32{1, 0} {
		z := archive(packedFile{name: "a", content: "hello"})
		for _, at := range []int{14, bytes.LastIndex(z, []byte("PK\x01\x02")) + 16} {
			le.PutUint32(z[at:], sum)
		}
		a, err := openBytes(z, Default)
		if err != nil {
			t.Fatal(err)
		}
		_, err = readEntry(a, "a")
		wantError(t, err, Broken, "checksum")
	}
	a, err := openBytes(archive(packedFile{name: "empty"}), Default)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := readEntry(a, "empty"); text != "" || err != nil {
		t.Errorf("an empty one: got %q, error %v", text, err)
	}
}

// TestBackslashes: FreeTAKServer's packages.
func TestBackslashes(t *testing.T) {
	a, err := openBytes(named(t, `MANIFEST\manifest.xml`, `86771c6f\a.kml`, `86771c6f\`), Default)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Entry{{"MANIFEST/manifest.xml", 0}, {"86771c6f/a.kml", 0}}, a.Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for _, name := range []string{"MANIFEST/manifest.xml", `MANIFEST\manifest.xml`} {
		if _, err := readEntry(a, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// counted tells how much is read.
type counted struct {
	*bytes.Reader
	n int
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	c.n += len(p)
	return c.Reader.ReadAt(p, off)
}

// TestManyAreRefusedByCount: before the list is read.
func TestManyAreRefusedByCount(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range 100_000 {
		if _, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r := &counted{Reader: bytes.NewReader(b.Bytes())}
	_, err := Open(r, int64(b.Len()), Default)
	wantError(t, err, Bomb, "100000 files")
	if r.n > endSearch+1000 {
		t.Errorf("%d bytes were read", r.n)
	}
}

// TestPackagesOfClients opens what real clients made, where such files are at hand:
// they are others' and not part of this repository.
func TestPackagesOfClients(t *testing.T) {
	const dir = "../../../../shared/data/packages"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the folder shared/data with packages of real clients is not beside the repository")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.zip"))
	if err != nil || len(files) == 0 {
		t.Fatalf("got the packages %q, error %v", files, err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			a, err := openBytes(b, Default)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range a.Entries {
				if _, err := readEntry(a, e.Name); err != nil {
					t.Errorf("%s: %v", e.Name, err)
				}
			}
		})
	}
}
