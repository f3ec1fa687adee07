package plugintest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

// startFiles begins a plugin that keeps what is uploaded, for the field owner of the
// form or the query, and has an action that runs do.
func startFiles(t *testing.T, do func(c *sdk.Call) error) *plugintest.Kit {
	t.Helper()
	return plugintest.Start(t, "testdata/files.json", plugintest.Plugin(func() *sdk.Plugin {
		return &sdk.Plugin{
			HTTP: map[string]sdk.Handler{
				"up": func(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
					owner := r.Query().TextOr("owner", r.Form().TextOr("owner", "nobody"))
					for _, b := range r.Blobs {
						if err := c.Blobs().Keep(b.Hash, owner); err != nil {
							return err
						}
						_, _ = w.WriteString(sdk.Format("%s %s %d;", b.Name, b.ContentType, b.Size))
					}
					return nil
				},
				"down": func(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
					b, err := c.Blobs().Stat(r.Param("hash"))
					if err != nil {
						return err
					}
					if q := r.Query(); q.Has("offset") {
						w.Status(206).BlobRange(b.Hash, q.Int("offset"), q.IntOr("length", 0))
						return r.Err()
					}
					w.ContentType(b.ContentType).Blob(b.Hash, b.Name)
					return nil
				},
			},
			Actions: map[string]func(*sdk.Call, *sdk.Action) (sdk.ActionResult, error){
				"do": func(c *sdk.Call, _ *sdk.Action) (sdk.ActionResult, error) { return sdk.ActionResult{}, do(c) },
			},
		}
	}))
}

func TestFilesUpAndDown(t *testing.T) {
	k := startFiles(t, nil)
	a := k.Do(plugintest.Request{Method: "POST", Path: "/api/plugins/files/up?owner=a", Body: "hello", ContentType: "text/plain"})
	if a.Status != 200 || a.Body != " text/plain 5;" {
		t.Fatalf("raw: got %d %q", a.Status, a.Body)
	}
	a = k.Do(plugintest.Request{Method: "POST", Path: "/api/plugins/files/up", ContentType: "multipart/form-data; boundary=x", Body: "" +
		"--x\r\nContent-Disposition: form-data; name=owner\r\n\r\nb\r\n" +
		"--x\r\nContent-Disposition: form-data; name=f; filename=f.zip\r\nContent-Type: application/zip\r\n\r\nzipped\r\n--x--\r\n"})
	if a.Status != 200 || a.Body != "f.zip application/zip 6;" {
		t.Fatalf("form: got %d %q", a.Status, a.Body)
	}
	if got := k.Kept("a"); len(got) != 1 {
		t.Errorf("a keeps %q, want one", got)
	}
	kept := k.Kept("b")
	if len(kept) != 1 {
		t.Fatalf("b keeps %q, want one", kept)
	}
	if got, ok := k.File(kept[0]); !ok || string(got) != "zipped" {
		t.Errorf("file: got %q, %v", got, ok)
	}
	if a := k.Get("/api/plugins/files/down/" + kept[0]); a.Status != 200 || a.Body != "zipped" || a.ContentType != "application/zip" {
		t.Errorf("down: got %d %q of %s", a.Status, a.Body, a.ContentType)
	}
	for query, want := range map[string]string{"offset=1&length=3": "ipp", "offset=4": "ed", "offset=5&length=100": "d", "offset=6": "", "offset=0&length=1": "z"} {
		if a := k.Get("/api/plugins/files/down/" + kept[0] + "?" + query); a.Status != 206 || a.Body != want {
			t.Errorf("piece %s: got %d %q, want %q", query, a.Status, a.Body, want)
		}
	}
	if a := k.Get("/api/plugins/files/down/" + kept[0] + "?offset=7"); a.Status != 400 {
		t.Errorf("a piece from behind the end: got %d %q, want 400", a.Status, a.Body)
	}
	if a := k.Get("/api/plugins/files/down/" + strings.Repeat("0", 64)); a.Status != 404 {
		t.Errorf("what is not there: got %d %q", a.Status, a.Body)
	}
	a = k.Do(plugintest.Request{Method: "POST", Path: "/api/plugins/files/up?owner=c", Body: strings.Repeat("x", 1020)})
	if a.Status != 429 || len(k.Kept("c")) != 0 {
		t.Errorf("beyond the grant: got %d %q, kept %q", a.Status, a.Body, k.Kept("c"))
	}
}

func TestFileOperations(t *testing.T) {
	var do func(c *sdk.Call) error
	k := startFiles(t, func(c *sdk.Call) error { return do(c) })
	run := func(f func(c *sdk.Call) error) error {
		do = f
		_, err := k.Action("do", nil, nil)
		return err
	}
	var packed, entry sdk.BlobRef
	var list []sdk.ZipEntry
	err := run(func(c *sdk.Call) (err error) {
		b, err := c.Blobs().Put("n.txt", "text/plain", []byte("0123456789"))
		if err != nil {
			return err
		}
		part, err := c.Blobs().Read(b.Hash, 8, 100)
		if err != nil || string(part) != "89" {
			return sdk.Failedf("read %q: %v", string(part), err)
		}
		if packed, err = c.Blobs().Pack("p.zip", sdk.PackEntry{Name: "d/n.txt", Hash: b.Hash}, sdk.PackEntry{Name: "m.xml", Data: []byte("<m/>")}); err != nil {
			return err
		}
		if list, err = c.Blobs().ZipList(packed.Hash); err != nil {
			return err
		}
		if entry, err = c.Blobs().ZipEntry(packed.Hash, "m.xml"); err != nil {
			return err
		}
		entry.Hash, entry.Name, packed.Hash = strings.Clone(entry.Hash), strings.Clone(entry.Name), strings.Clone(packed.Hash)
		for i := range list {
			list[i].Name = strings.Clone(list[i].Name)
		}
		return c.Blobs().Keep(entry.Hash, "o")
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]sdk.ZipEntry{{Name: "d/n.txt", Size: 10}, {Name: "m.xml", Size: 4}}, list); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	if got, _ := k.File(entry.Hash); string(got) != "<m/>" || entry.Name != "m.xml" {
		t.Errorf("entry: got %+v, %q", entry, got)
	}
	if diff := cmp.Diff([]string{entry.Hash}, k.Kept("o")); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	// What fails keeps nothing.
	err = run(func(c *sdk.Call) error {
		if err := c.Blobs().Release(entry.Hash, "o"); err != nil {
			return err
		}
		if kept, err := c.Blobs().Kept("o"); err != nil || len(kept) != 0 {
			return sdk.Failedf("kept %d, error %v", len(kept), err)
		}
		return sdk.Conflictf("no")
	})
	if sdk.StatusOf(err) != sdk.Conflict || len(k.Kept("o")) != 1 {
		t.Errorf("after a failure: got %v, kept %q", err, k.Kept("o"))
	}
	none := strings.Repeat("0", 64)
	text := k.PutFile("t", "text/plain", []byte("text"))
	for name, tt := range map[string]struct {
		do   func(b sdk.Blobs) error
		want hostapi.Status
	}{
		"stat":          {func(b sdk.Blobs) error { _, err := b.Stat(none); return err }, sdk.NotFound},
		"bad hash":      {func(b sdk.Blobs) error { _, err := b.Stat("../x"); return err }, sdk.Invalid},
		"keep":          {func(b sdk.Blobs) error { return b.Keep(none, "o") }, sdk.NotFound},
		"no owner":      {func(b sdk.Blobs) error { return b.Keep(text, "") }, sdk.Invalid},
		"read too much": {func(b sdk.Blobs) error { _, err := b.Read(text, 0, hostapi.MaxBlobRead+1); return err }, sdk.Limit},
		"read before":   {func(b sdk.Blobs) error { _, err := b.Read(text, -1, 1); return err }, sdk.Invalid},
		"no zip":        {func(b sdk.Blobs) error { _, err := b.ZipList(text); return err }, sdk.Invalid},
		"no entry":      {func(b sdk.Blobs) error { _, err := b.ZipEntry(packed.Hash, "none"); return err }, sdk.NotFound},
		"bad name":      {func(b sdk.Blobs) error { _, err := b.Pack("p", sdk.PackEntry{Name: "../x"}); return err }, sdk.Invalid},
		"too large": {func(b sdk.Blobs) error {
			_, err := b.Put("", "", make([]byte, hostapi.MaxBlobInline+1))
			return err
		}, sdk.Limit},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(func(c *sdk.Call) error { return tt.do(c.Blobs()) }); sdk.StatusOf(err) != tt.want {
				t.Errorf("got %v (%v), want %v", sdk.StatusOf(err), err, tt.want)
			}
		})
	}
}
