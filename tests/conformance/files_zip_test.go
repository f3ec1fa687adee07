package conformance

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
)

func takesArchivesApart(p *plugin) {
	p.keeper(someBytes)
	large := strings.Repeat("b", 300<<10)
	hash := p.uploaded(zipOf(p, "MANIFEST/manifest.xml", "<m/>", "dir/b é.txt", large, "folder/", "", "empty", ""))
	archive := fmt.Sprintf(`"hash":%q`, hash)
	p.same("list", p.route("zip.list", archive), fmt.Sprintf("MANIFEST/manifest.xml|4|dir/b é.txt|%d|empty|0|", len(large)))
	p.same("a file", p.route("zip.entry", archive+`,"name":"dir/b é.txt"`), refText(large, "", "b é.txt"))
	p.same("its content", p.stored(hashOf(large)), large)
	p.same("an empty one", p.route("zip.entry", archive+`,"name":"empty"`), refText("", "", "empty"))
	for _, name := range []string{"none", "folder/", "folder", "manifest.xml", "../dir/b é.txt", ""} {
		e := p.routeRefused("zip.entry", archive+fmt.Sprintf(`,"name":%q`, name), hostapi.NotFound)
		if !strings.HasPrefix(e.Message, "file: blobs.zip.entry: zip archive: there is no ") {
			p.Errorf("%q: got %q", name, e.Message)
		}
	}
	many := make([]string, 0, 2000)
	want := ""
	for i := range cap(many) / 2 {
		many = append(many, fmt.Sprint("tiles/", i, ".png"), fmt.Sprint(i))
		want += fmt.Sprintf("tiles/%d.png|%d|", i, len(fmt.Sprint(i)))
	}
	p.same("many", p.route("zip.list", fmt.Sprintf(`"hash":%q`, p.uploaded(zipOf(p, many...)))), want)
}

// refusesArchives: what no client may bring to a plugin.
func refusesArchives(p *plugin) {
	p.keeper(someBytes)
	header := func(h zip.FileHeader) []byte {
		return zipWith(p, func(z *zip.Writer) error {
			_, err := z.CreateRaw(&h)
			return err
		})
	}
	link := zip.FileHeader{Name: "link"}
	link.SetMode(fs.ModeSymlink | 0o777)
	whole := zipOf(p, "a", "content")
	for _, tt := range []struct {
		name    string
		archive []byte
		why     string
	}{
		{"text", []byte("no archive"), "it is broken, or none"},
		{"nothing", nil, "it is broken, or none"},
		{"cut", whole[:len(whole)-5], "it is broken, or none"},
		{"up", zipOf(p, "a/../../b", ""), `has the part ".."`},
		{"absolute", zipOf(p, "/etc/passwd", ""), "is no relative one"},
		{"drive", zipOf(p, "C:/a", ""), "is that of a drive"},
		{"backslash", zipOf(p, `..\a`, ""), `has the part ".."`},
		{"control", zipOf(p, "a\r\nb", ""), "has control characters"},
		{"twice", zipOf(p, "a", "1", "a", "2"), "is there twice"},
		{"file and folder", zipOf(p, "a", "1", "a/b", "2"), "is a file and a folder"},
		{"link", header(link), "is a link"},
		{"encrypted", header(zip.FileHeader{Name: "a", Flags: 1}), "is encrypted"},
		{"method", header(zip.FileHeader{Name: "a", Method: 99}), "compressed by method 99"},
		{"bomb", bomb(p), "unpack to more than 200 times"},
		{"bomb by its list", header(zip.FileHeader{Name: "a", Method: zip.Deflate, UncompressedSize64: 5 << 30}), "more than 4294967296 bytes, unpacked"},
		{"too many", zipWith(p, func(z *zip.Writer) error {
			for i := range 10_001 {
				if _, err := z.CreateRaw(&zip.FileHeader{Name: fmt.Sprint(i)}); err != nil {
					return err
				}
			}
			return nil
		}), "it has 10001 files"},
	} {
		hash := p.uploaded(tt.archive)
		for _, route := range []string{"zip.list", "zip.entry"} {
			e := p.routeRefused(route, fmt.Sprintf(`"hash":%q,"name":"a"`, hash), hostapi.Invalid)
			if !strings.HasPrefix(e.Message, "file: blobs."+route+": zip archive: ") || !strings.Contains(e.Message, tt.why) {
				p.Errorf("%s: %s: got %q, want …%s…", tt.name, route, e.Message, tt.why)
			}
		}
	}
	// What is longer than its list says ends when it is unpacked.
	lies := p.uploaded(header(zip.FileHeader{Name: "a", Method: zip.Store, UncompressedSize64: 5}))
	if e := p.routeRefused("zip.entry", fmt.Sprintf(`"hash":%q,"name":"a"`, lies), hostapi.Invalid); !strings.HasPrefix(e.Message, "file: blobs.zip.entry: zip archive: ") {
		p.Errorf("a list that lies: got %q", e.Message)
	}
}

// bomb is an archive of 70 KB with a file of 65 MiB. One piece is compressed, and
// stands there 65 times.
func bomb(p *plugin) []byte {
	p.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		p.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	if _, err := w.Write(piece); err != nil {
		p.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		p.Fatal(err)
	}
	deflated, n := bytes.Repeat(b.Bytes(), 65), b.Len()
	if err := w.Close(); err != nil {
		p.Fatal(err)
	}
	deflated = append(deflated, b.Bytes()[n:]...)
	sum := crc32.NewIEEE()
	for range 65 {
		_, _ = sum.Write(piece) // never fails
	}
	archive := zipWith(p, func(z *zip.Writer) error {
		to, err := z.CreateRaw(&zip.FileHeader{Name: "zeros", Method: zip.Deflate, CRC32: sum.Sum32(),
			CompressedSize64: uint64(len(deflated)), UncompressedSize64: 65 << 20})
		if err == nil {
			_, err = to.Write(deflated)
		}
		return err
	})
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil || z.File[0].UncompressedSize64 != 65<<20 {
		p.Fatalf("no bomb: %v", err)
	}
	return archive
}

func packsArchives(p *plugin) {
	p.keeper(someBytes)
	large := strings.Repeat("c", 300<<10)
	entries := fmt.Sprintf(`"name":"out é.zip","entries":[{"name":"MANIFEST/manifest.xml","data":"<m/>"},{"name":"x/é.txt","hash":%q},{"name":"empty","data":""}]`,
		p.uploaded([]byte(large)))
	got := p.route("pack", entries)
	hash, _, _ := strings.Cut(got, "|")
	content := p.stored(hash)
	p.same("the archive", got, refText(content, "application/zip", "out é.zip"))
	p.same("the same again", p.route("pack", entries), got)
	z, err := zip.NewReader(strings.NewReader(content), int64(len(content)))
	if err != nil {
		p.Fatal(err)
	}
	var list [][2]string
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			p.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			p.Fatal(err)
		}
		list = append(list, [2]string{f.Name, string(text)})
	}
	if diff := cmp.Diff([][2]string{{"MANIFEST/manifest.xml", "<m/>"}, {"x/é.txt", large}, {"empty", ""}}, list); diff != "" {
		p.Errorf("what is in it (-want +got):\n%.2000s", diff)
	}
	p.same("its list", p.route("zip.list", fmt.Sprintf(`"hash":%q`, hash)), fmt.Sprintf("MANIFEST/manifest.xml|4|x/é.txt|%d|empty|0|", len(large)))
	empty := p.route("pack", `"name":"none.zip","entries":[]`)
	p.same("of nothing", p.route("zip.list", fmt.Sprintf(`"hash":%q`, empty[:64])), "")

	for _, tt := range []struct {
		entries string
		why     string
	}{
		{`{"name":"../a","data":"x"}`, `has the part ".."`},
		{`{"name":"/a","data":"x"}`, "is no relative one"},
		{`{"name":"a\\b","data":"x"}`, `has a \`},
		{`{"name":"","data":"x"}`, "has no name"},
		{`{"name":"a","data":"x"},{"name":"a/b","data":"y"}`, "is a file and a folder"},
	} {
		e := p.routeRefused("pack", `"name":"z","entries":[`+tt.entries+`]`, hostapi.Invalid)
		if !strings.HasPrefix(e.Message, "file: blobs.pack: zip archive: ") || !strings.Contains(e.Message, tt.why) {
			p.Errorf("%s: got %q, want …%s…", tt.entries, e.Message, tt.why)
		}
	}
	e := p.routeRefused("pack", fmt.Sprintf(`"entries":[{"name":"a","data":"x"},{"name":"b","hash":%q}]`, noFile), hostapi.NotFound)
	p.same("a file that is not there", e.Message, "file: blobs.pack: there is no file "+noFile)
}
