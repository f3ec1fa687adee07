package blobzip

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// made writes an archive with headers as they are given.
func made(t testing.TB, add func(*zip.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add(z)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t testing.TB, z *zip.Writer, h zip.FileHeader, content string) {
	t.Helper()
	w, err := z.CreateHeader(&h)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
}

func named(t testing.TB, names ...string) []byte {
	return made(t, func(z *zip.Writer) {
		for _, n := range names {
			put(t, z, zip.FileHeader{Name: n, Method: zip.Deflate}, "")
		}
	})
}

func openBytes(b []byte, l Limits) (*Archive, error) {
	return Open(bytes.NewReader(b), int64(len(b)), l)
}

func wantError(t testing.TB, err error, code, text string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Msg, text) {
		t.Errorf("got error %v, want %s: …%s…", err, code, text)
	}
}

func TestRefused(t *testing.T) {
	link := zip.FileHeader{Name: "link"}
	link.SetMode(fs.ModeSymlink | 0o777)
	device := zip.FileHeader{Name: "device"}
	device.SetMode(fs.ModeDevice | 0o600)
	raw := func(h zip.FileHeader) []byte {
		return made(t, func(z *zip.Writer) {
			if _, err := z.CreateRaw(&h); err != nil {
				t.Fatal(err)
			}
		})
	}
	many := make([]string, 11)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	small := Default
	small.Entries, small.Total = 10, 1000
	whole := named(t, "a")
	for name, c := range map[string]struct {
		zip        []byte
		limits     Limits
		code, text string
	}{
		"up":               {named(t, "a/../../b"), Default, Unsafe, `part ".."`},
		"up alone":         {named(t, ".."), Default, Unsafe, `part ".."`},
		"here":             {named(t, "./a"), Default, Unsafe, `part "."`},
		"empty part":       {named(t, "a//b"), Default, Unsafe, `part ""`},
		"absolute":         {named(t, "/etc/passwd"), Default, Unsafe, "no relative"},
		"drive":            {named(t, "C:/a"), Default, Unsafe, "drive"},
		"stream":           {named(t, "a/b.txt:evil"), Default, Unsafe, "colon"},
		"backslashes":      {named(t, `a\..\b`), Default, Unsafe, `part ".."`},
		"backslash first":  {named(t, `\a`), Default, Unsafe, "no relative"},
		"share":            {named(t, `\\host\share\a`), Default, Unsafe, "no relative"},
		"drive, backslash": {named(t, `C:\a`), Default, Unsafe, "drive"},
		"both slashes":     {named(t, `a\b`, "a/b"), Default, Unsafe, "twice"},
		"case":             {named(t, "MANIFEST/manifest.xml", "manifest/Manifest.xml"), Default, Unsafe, "case alone"},
		"case, not ASCII":  {named(t, "ÜBUNG", "übung"), Default, Unsafe, "case alone"},
		"case of a folder": {named(t, "a", "A/b"), Default, Unsafe, "a file and a folder"},
		"device":           {named(t, "a/CON"), Default, Unsafe, "device"},
		"device, ending":   {named(t, "aux.txt/b"), Default, Unsafe, "device"},
		"dot at the end":   {named(t, "a./b"), Default, Unsafe, "ends with a dot"},
		"space at the end": {named(t, "a.exe "), Default, Unsafe, "ends with a dot or a space"},
		"direction":        {named(t, "a\u202egpj.exe"), Default, Unsafe, "direction"},
		"line":             {named(t, "a\r\nb"), Default, Unsafe, "control"},
		"nul":              {named(t, "a\x00b"), Default, Unsafe, "control"},
		"no name":          {named(t, ""), Default, Unsafe, "no name"},
		"long":             {named(t, strings.Repeat("a", 513)), Default, Unsafe, "512 bytes"},
		"deep":             {named(t, strings.Repeat("a/", 33)+"b"), Default, Unsafe, "folders deep"},
		"twice":            {named(t, "a", "b", "a"), Default, Unsafe, "twice"},
		"file and folder":  {named(t, "a", "a/b"), Default, Unsafe, "a file and a folder"},
		"file, folder":     {named(t, "a", "a/"), Default, Unsafe, "a file and a folder"},
		"link":             {made(t, func(z *zip.Writer) { put(t, z, link, "/etc/passwd") }), Default, Unsafe, "is a link"},
		"device file":      {made(t, func(z *zip.Writer) { put(t, z, device, "") }), Default, Unsafe, "no plain file"},
		"encrypted":        {raw(zip.FileHeader{Name: "a", Flags: 1}), Default, Secret, "encrypted"},
		"method":           {raw(zip.FileHeader{Name: "a", Method: 12}), Default, Unknown, "method 12"},
		"many":             {named(t, many...), small, Bomb, "11 files"},
		"large":            {raw(zip.FileHeader{Name: "a", UncompressedSize64: 1001}), small, Bomb, "more than 1000 bytes"},
		"overflow":         {made(t, func(z *zip.Writer) { _, _ = z.CreateRaw(&zip.FileHeader{Name: "a", UncompressedSize64: 1<<64 - 1}) }), Default, Bomb, "bytes, unpacked"},
		"ratio":            {raw(zip.FileHeader{Name: "a", UncompressedSize64: 65 << 20, CompressedSize64: 10}), Default, Bomb, "200 times"},
		"overlap":          {raw(zip.FileHeader{Name: "a", UncompressedSize64: 500, CompressedSize64: 400}), small, Broken, "than it has itself"},
		"empty":            {nil, Default, Broken, "broken, or none"},
		"text":             {[]byte("hello, this is no archive at all"), Default, Broken, "broken, or none"},
		"cut":              {whole[:len(whole)-10], Default, Broken, "broken, or none"},
		"endless list":     {endless(), Default, Bomb, "list of files is too long"},
		"folder with file": {raw(zip.FileHeader{Name: "a/", UncompressedSize64: 3, CompressedSize64: 3}), Default, Broken, "has content"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openBytes(c.zip, c.limits)
			wantError(t, err, c.code, c.text)
		})
	}
}

// endless is a list of files that is far longer than it says.
func endless() []byte {
	head := make([]byte, 47)
	binary.LittleEndian.PutUint32(head, 0x02014b50)
	binary.LittleEndian.PutUint16(head[28:], 1) // length of the name
	head[46] = 'a'
	b := bytes.Repeat(head, 200_000)
	end := make([]byte, 22)
	binary.LittleEndian.PutUint32(end, 0x06054b50)
	binary.LittleEndian.PutUint16(end[8:], 200_000&0xffff)
	binary.LittleEndian.PutUint16(end[10:], 200_000&0xffff)
	binary.LittleEndian.PutUint32(end[12:], uint32(len(b)))
	return append(b, end...)
}

func TestReadsWhatItPacks(t *testing.T) {
	large := strings.Repeat("large one ", compressBelow/10+1)
	contents := map[string]string{
		"MANIFEST/manifest.xml": "<MissionPackageManifest/>", "Übung 火/karte.kmz": "not really", "empty": "", "big.tif": large,
	}
	order := []string{"MANIFEST/manifest.xml", "Übung 火/karte.kmz", "empty", "big.tif"}
	pack := func() []byte {
		var files []File
		for _, name := range order {
			c := contents[name]
			files = append(files, File{name, int64(len(c)), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(c)), nil }})
		}
		if err := Default.Check(files); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := Pack(&b, files); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	b := pack()
	if !bytes.Equal(b, pack()) {
		t.Error("the same files give another archive")
	}
	a, err := openBytes(b, Default)
	if err != nil {
		t.Fatal(err)
	}
	var want []Entry
	for _, name := range order {
		want = append(want, Entry{name, int64(len(contents[name]))})
	}
	if diff := cmp.Diff(want, a.Entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	for _, name := range order {
		r, size, err := a.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != contents[name] || size != int64(len(got)) {
			t.Errorf("%s: got %d bytes of %d, error %v, want %d", name, len(got), size, err, len(contents[name]))
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	_, _, err = a.Open("none")
	wantError(t, err, NotThere, `no "none"`)
}

func TestCheckBeforePacking(t *testing.T) {
	f := func(names ...string) (files []File) {
		for _, n := range names {
			files = append(files, File{Name: n, Size: 600})
		}
		return files
	}
	small := Default
	small.Entries, small.Total = 2, 1000
	wantError(t, small.Check(f("a", "b", "c")), Bomb, "3 files")
	wantError(t, small.Check(f("a", "b")), Bomb, "1000 bytes")
	wantError(t, small.Check(f("../a")), Unsafe, `".."`)
	wantError(t, Default.Check(f("a", "a")), Unsafe, "twice")
	wantError(t, Default.Check(f("a", "a/b")), Unsafe, "a file and a folder")
	if err := Default.Check(f("a/b", "a/c")); err != nil {
		t.Errorf("got error %v", err)
	}
}

func TestNamesOfOldArchives(t *testing.T) {
	b := made(t, func(z *zip.Writer) { put(t, z, zip.FileHeader{Name: "\x9abung.txt", NonUTF8: true}, "x") })
	a, err := openBytes(b, Default)
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Entries[0].Name; got != "Übung.txt" {
		t.Errorf("got %q, want Übung.txt", got)
	}
}

// TestLyingSizes: the list says less, or more, than the data unpack to.
func TestLyingSizes(t *testing.T) {
	for _, by := range []int64{-1, 1, -900} {
		content := strings.Repeat("a", 1000)
		b := made(t, func(z *zip.Writer) { put(t, z, zip.FileHeader{Name: "a", Method: zip.Deflate}, content) })
		at := bytes.LastIndex(b, []byte("PK\x01\x02"))
		binary.LittleEndian.PutUint32(b[at+24:], uint32(1000+by))
		a, err := openBytes(b, Default)
		if err != nil {
			t.Fatal(err)
		}
		r, size, err := a.Open("a")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if int64(len(got)) > size || err == nil {
			t.Errorf("size off by %d: got %d bytes of %d, error %v", by, len(got), size, err)
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("size off by %d: got error %v, want one that says why", by, err)
		}
	}
}

func TestDamagedContent(t *testing.T) {
	b := made(t, func(z *zip.Writer) {
		put(t, z, zip.FileHeader{Name: "a", Method: zip.Deflate}, strings.Repeat("hello ", 1000))
	})
	for i := 40; i < 60; i++ {
		c := bytes.Clone(b)
		c[i] ^= 0xff
		a, err := openBytes(c, Default)
		if err != nil {
			continue
		}
		r, _, err := a.Open("a")
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		var e *Error
		if !errors.As(err, &e) || e.Code != Broken {
			t.Errorf("byte %d: got error %v, want that it is broken", i, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(named(f, "a", "b/c"))
	f.Add(endless()[:500])
	f.Add(archive(packedFile{name: "a", content: "hello", wide: true}, packedFile{name: `b\c`, content: "world"}))
	f.Add(widened(archive(packedFile{name: "a", content: "hello", flags: sizesBehind})))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := Default
		l.Total, l.Entries = 1<<20, 100
		a, err := openBytes(b, l)
		if err != nil {
			return
		}
		total := int64(0)
		for _, e := range a.Entries {
			r, size, err := a.Open(e.Name)
			if err != nil {
				continue
			}
			n, _ := io.Copy(io.Discard, r) // a broken one is fine
			if n > size || size != e.Size {
				t.Errorf("%q: %d bytes, the list says %d", e.Name, n, e.Size)
			}
			total += n
		}
		if total > l.Total {
			t.Errorf("unpacked to %d bytes", total)
		}
	})
}
