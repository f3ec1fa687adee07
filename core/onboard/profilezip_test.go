package onboard

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// shelf is where the content of files lies.
type shelf map[string][]byte

// file puts content on the shelf.
func (s shelf) file(name, content string) File {
	f := Made(name, []byte(content))
	s[f.Hash], f.Data = f.Data, nil
	return f
}

type shelved struct {
	*bytes.Reader
	closed func()
}

func (s shelved) Close() error { s.closed(); return nil }

// opener counts in open how many are open.
func (s shelf) opener(open *int) Opener {
	return func(hash string) (io.ReadSeekCloser, error) {
		b, ok := s[hash]
		if !ok {
			return nil, errors.New("it is gone")
		}
		*open++
		return shelved{bytes.NewReader(b), func() { *open-- }}, nil
	}
}

func (s shelf) read(t testing.TB, a *Archive) []byte {
	t.Helper()
	open := 0
	r := a.Open(s.opener(&open))
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil || open != 0 {
		t.Errorf("close: %d files are open, error %v", open, err)
	}
	if int64(len(b)) != a.Size() {
		t.Errorf("got %d bytes, it said %d", len(b), a.Size())
	}
	return b
}

func mustZip(t testing.TB, name string, list ...Profile) *Archive {
	t.Helper()
	a, err := Zip(name, list...)
	if err != nil || a == nil {
		t.Fatalf("Zip: %v, %v", a, err)
	}
	return a
}

func TestZip(t *testing.T) {
	s := shelf{}
	a := Profile{Name: "a", Kind: OnEnrolment, Files: []File{s.file("x.pref", "one"), Made("Süd & Nord.xml", []byte("two")), s.file("empty", "")}}
	b := Profile{Name: "b", Kind: OfTool, Tool: "maps", Files: []File{s.file("deep/x.pref", "three")}}
	made := mustZip(t, "Enrollment", a, b)
	data := s.read(t, made)
	names, files := unpack(t, data)
	want := []string{"MANIFEST/manifest.xml", "file0/x.pref", "file1/Süd & Nord.xml", "file2/empty", "file3/x.pref"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for name, want := range map[string]string{"file0/x.pref": "one", "file1/Süd & Nord.xml": "two", "file2/empty": "", "file3/x.pref": "three"} {
		if got := string(files[name]); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	m := readManifest(t, files["MANIFEST/manifest.xml"])
	if diff := cmp.Diff(want[1:], m.entries); diff != "" {
		t.Errorf("manifest's entries (-want +got):\n%s", diff)
	}
	if m.params["name"] != "Enrollment" || m.params["onReceiveImport"] != "true" || m.params["onReceiveDelete"] != "true" || m.params["uid"] == "" {
		t.Errorf("got %v", m.params)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		// Nothing behind the data, nothing compressed, and a mode to unpack with.
		if f.Flags&8 != 0 || f.Method != zip.Store || f.Mode() != 0o644 || !f.Modified.UTC().Equal(stamp) {
			t.Errorf("%s: flags %x, method %d, mode %v, time %v", f.Name, f.Flags, f.Method, f.Mode(), f.Modified)
		}
	}
	if got := s.read(t, mustZip(t, "Enrollment", a, b)); !bytes.Equal(got, data) {
		t.Error("the same files make another package")
	}
	if diff := cmp.Diff([]string{a.Files[0].Hash, b.Files[0].Hash}, made.Hashes()); diff != "" {
		t.Errorf("hashes (-want +got):\n%s", diff)
	}

	if got, err := Zip("Enrollment", Profile{Name: "none", Kind: OnEnrolment}); err != nil || got != nil {
		t.Errorf("no file: got %v, %v", got, err)
	}
	if _, err := Zip("x", Profile{Name: "bad", Kind: OnEnrolment, Files: []File{{Name: "../x"}}}); err == nil {
		t.Error("a name that leads out: no error")
	}
	large := func(name string) Profile {
		return Profile{Name: name, Kind: OnEnrolment, Files: []File{{Name: "a", Size: MostProfileSize}}}
	}
	if _, err := Zip("x", large("a"), large("b")); !errors.Is(err, ErrTooLarge) {
		t.Errorf("4 GiB: got error %v", err)
	}
	if got := (Wanted{Kind: OnConnection}).PackageName() + (Wanted{Kind: OfTool, Tool: "maps"}).PackageName(); got != "Connectionmaps" {
		t.Errorf("got %q", got)
	}
}

// Whatever changes changes the tag.
func TestZipTag(t *testing.T) {
	base := func() Profile {
		return Profile{Name: "a", Kind: OnEnrolment, Files: []File{Made("x", []byte("one")), Made("y", []byte("two"))}}
	}
	seen := map[string]string{}
	for _, tt := range []struct {
		name     string
		package_ string
		change   func(*Profile)
	}{
		{"base", "P", func(*Profile) {}},
		{"other name", "Q", func(*Profile) {}},
		{"content", "P", func(p *Profile) { p.Files[1] = Made("y", []byte("tow")) }},
		{"name of a file", "P", func(p *Profile) { p.Files[1] = Made("z", []byte("two")) }},
		{"order", "P", func(p *Profile) { p.Files[0], p.Files[1] = p.Files[1], p.Files[0] }},
		{"fewer", "P", func(p *Profile) { p.Files = p.Files[:1] }},
	} {
		p := base()
		tt.change(&p)
		tag := mustZip(t, tt.package_, p).Tag()
		if was, ok := seen[tag]; ok {
			t.Errorf("%s: the same tag as %s", tt.name, was)
		}
		seen[tag] = tt.name
	}
}

// A reader that jumps and reads in pieces gets what one gets that reads it all.
func TestArchiveReader(t *testing.T) {
	s := shelf{}
	p := Profile{Name: "p", Kind: OnConnection}
	for i := range 12 {
		p.Files = append(p.Files, s.file(fmt.Sprint("f", i), strings.Repeat(string(rune('a'+i)), i*i*7)))
	}
	p.Files = append(p.Files, Made("made", []byte("in memory")))
	a := mustZip(t, "P", p)
	whole := s.read(t, a)
	open := 0
	if err := iotest.TestReader(a.Open(s.opener(&open)), whole); err != nil {
		t.Error(err)
	}
	r := a.Open(s.opener(&open))
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		at, n := rnd.IntN(len(whole)+5), rnd.IntN(200)
		if _, err := r.Seek(int64(at), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.LimitReader(r, int64(n)))
		want := whole[min(at, len(whole)):min(at+n, len(whole))]
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes at %d: got %q, error %v, want %q", n, at, got, err, want)
		}
	}
	for _, bad := range []struct {
		offset int64
		whence int
	}{{-1, io.SeekStart}, {-a.Size() - 1, io.SeekEnd}, {0, 7}} {
		if _, err := r.Seek(bad.offset, bad.whence); err == nil {
			t.Errorf("seek %v: no error", bad)
		}
	}
}

func TestArchiveOfLostContent(t *testing.T) {
	s := shelf{}
	p := Profile{Name: "p", Kind: OnConnection, Files: []File{s.file("a", "first"), s.file("b", "second")}}
	for name, lose := range map[string]func(){
		"gone":    func() { delete(s, p.Files[1].Hash) },
		"shorter": func() { s[p.Files[1].Hash] = []byte("sec") },
	} {
		s[p.Files[1].Hash] = []byte("second")
		lose()
		open := 0
		r := mustZip(t, "P", p).Open(s.opener(&open))
		if _, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), "pack b") || !errors.Is(r.Err(), err) {
			t.Errorf("%s: got error %v, kept %v", name, err, r.Err())
		}
		if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%s: reads on: %d, %v", name, n, err)
		}
		if err := r.Close(); err != nil || open != 0 {
			t.Errorf("%s: %d files are open, error %v", name, open, err)
		}
	}
}
