package tests

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"testing"
)

// Archives for TestPackages, good ones and such as are made to harm.

// emptyManifest is that of a data package with nothing in it.
const emptyManifest = `<MissionPackageManifest version="2"/>`

// zipped makes an archive of names and contents.
func zipped(t *testing.T, method uint16, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		out, err := w.CreateHeader(&zip.FileHeader{Name: parts[i], Method: method})
		if err == nil {
			_, err = io.WriteString(out, parts[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// bomb has one file of zeros, of as many MiB. One MiB is compressed and repeated, as
// the race detector makes that slow.
func bomb(t *testing.T, name string, mib int) string {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]int
	zeros := make([]byte, 1<<20)
	for i := range ends {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		ends[i] = packed.Len()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	all := packed.Bytes()
	sum := crc32.NewIEEE()
	content := append([]byte(nil), all[:ends[0]]...)
	for i := range mib {
		if i > 0 {
			content = append(content, all[ends[0]:ends[1]]...)
		}
		sum.Write(zeros)
	}
	content = append(content, all[ends[1]:]...)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	out, err := z.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, CRC32: sum.Sum32(), CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(mib) << 20})
	if err == nil {
		_, err = out.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// claims has a small file that says it is large.
func claims(t *testing.T, size uint64) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	out, err := w.CreateRaw(&zip.FileHeader{Name: "MANIFEST/manifest.xml", Method: zip.Deflate, CompressedSize64: 2, UncompressedSize64: size})
	if err == nil {
		_, err = io.WriteString(out, "\x03\x00")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// zip64 has its sizes in the form for large archives: those of 32 bits are all ones,
// and an extra field has those of 64.
func zip64(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range map[string]string{"MANIFEST/manifest.xml": emptyManifest, "a/1": "", "a/2": "2"} {
		var packed bytes.Buffer
		z, err := flate.NewWriter(&packed, flate.BestCompression)
		if err == nil {
			_, err = io.WriteString(z, text)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		content := packed.String()
		extra := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, 1), 16)
		extra = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(extra, uint64(len(text))), uint64(len(content)))
		out, err := w.CreateRaw(&zip.FileHeader{
			Name: name, Method: zip.Deflate, CRC32: crc32.ChecksumIEEE([]byte(text)), Extra: extra,
			UncompressedSize64: uint64(len(text)), CompressedSize64: uint64(len(content)),
		})
		if err == nil {
			_, err = io.WriteString(out, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return string(patched(patched(b.Bytes(), "PK\x03\x04", 18, ones), "PK\x01\x02", 20, ones))
}

// ones sets two sizes of 32 bits.
func ones(b []byte) { copy(b, bytes.Repeat([]byte{0xff}, 8)) }

// patched changes what stands at a place behind each signature.
func patched(b []byte, sign string, at int, change func([]byte)) []byte {
	for i := 0; ; i += len(sign) {
		n := bytes.Index(b[i:], []byte(sign))
		if n < 0 {
			return b
		}
		i += n
		change(b[i+at:])
	}
}

func manyEntries(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := range n {
		if _, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func link(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "MANIFEST/manifest.xml"}
	h.SetMode(0o777 | 1<<27) // fs.ModeSymlink
	out, err := w.CreateHeader(h)
	if err == nil {
		_, err = io.WriteString(out, "/etc/passwd")
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// flagged sets bits of the flags of all files.
func flagged(t *testing.T, bits byte) string {
	t.Helper()
	set := func(b []byte) { b[0] |= bits }
	return string(patched(patched([]byte(packageOf(t, "flagged")), "PK\x03\x04", 6, set), "PK\x01\x02", 8, set))
}

// broken has something else where its directory should be.
func broken(t *testing.T) string {
	t.Helper()
	b := []byte(packageOf(t, "broken"))
	copy(b[bytes.Index(b, []byte("PK\x01\x02")):], "NOPE")
	return string(b)
}
