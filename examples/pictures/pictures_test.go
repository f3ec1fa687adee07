package main

import (
	"archive/zip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

const (
	path = "/api/plugins/pictures/pictures"
	jpeg = "\xff\xd8\xff\xe0 a photograph"
	png  = "\x89PNG\r\n\x1a\n a drawing"
	webp = "RIFF\x10\x00\x00\x00WEBP a map"
)

type shown struct {
	ID, Title, Type, Hash, By string
	Size                      int64
}

// start gives the plugin in a server in memory.
func start(t *testing.T) *plugintest.Kit {
	t.Helper()
	return plugintest.Start(t, "plugin.json")
}

// form makes a multipart form of a title and files: names and contents.
func form(title string, files ...string) plugintest.Request {
	body := "--x\r\nContent-Disposition: form-data; name=title\r\n\r\n" + title + "\r\n"
	for i := 0; i < len(files); i += 2 {
		body += "--x\r\nContent-Disposition: form-data; name=f; filename=" + files[i] + "\r\nContent-Type: image/x\r\n\r\n" + files[i+1] + "\r\n"
	}
	return plugintest.Request{Method: "POST", Path: path, Body: body + "--x--\r\n", ContentType: "multipart/form-data; boundary=x"}
}

func raw(body string) plugintest.Request {
	return plugintest.Request{Method: "POST", Path: path, Body: body, ContentType: "image/x"}
}

// sends makes a request and wants a status.
func sends(t *testing.T, k *plugintest.Kit, want int, r plugintest.Request) *plugintest.Answer {
	t.Helper()
	a := k.Do(r)
	if a.Status != want {
		t.Fatalf("%s %s: got %d %s, want %d", r.Method, r.Path, a.Status, a.Body, want)
	}
	return a
}

func pictures(t *testing.T, k *plugintest.Kit, a *plugintest.Answer) []shown {
	t.Helper()
	var all struct{ Pictures []shown }
	k.JSON(a, &all)
	return all.Pictures
}

func TestPictures(t *testing.T) {
	k := start(t)
	added := pictures(t, k, sends(t, k, 201, raw(jpeg)))
	added = append(added, pictures(t, k, sends(t, k, 201, form("the \"yard\" é", "a.png", png, "b.webp", webp)))...)
	var got []shown
	for _, p := range added {
		p.ID, p.Hash = "", ""
		got = append(got, p)
	}
	want := []shown{
		{Type: "image/jpeg", By: "admin", Size: int64(len(jpeg))},
		{Title: "the \"yard\" é", Type: "image/png", By: "admin", Size: int64(len(png))},
		{Title: "the \"yard\" é", Type: "image/webp", By: "admin", Size: int64(len(webp))},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("added (-want +got):\n%s", diff)
	}
	for i, content := range []string{jpeg, png, webp} {
		a := sends(t, k, 200, plugintest.Request{Path: path + "/" + added[i].ID})
		if a.Body != content || a.ContentType != want[i].Type {
			t.Errorf("got %s %q, want %q", a.ContentType, a.Body, content)
		}
		if kept := k.Kept(added[i].ID); !cmp.Equal(kept, []string{added[i].Hash}) {
			t.Errorf("%s keeps %q, want %s", added[i].ID, kept, added[i].Hash)
		}
	}
	if list := pictures(t, k, k.Get(path)); len(list) != 3 {
		t.Errorf("the list has %+v, want 3", list)
	}

	album := sends(t, k, 200, plugintest.Request{Path: "/api/plugins/pictures/album"}).Body
	z, err := zip.NewReader(strings.NewReader(album), int64(len(album)))
	if err != nil {
		t.Fatal(err)
	}
	packed := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		packed[f.Name] = string(content)
	}
	wantPacked := map[string]string{added[0].ID + ".jpeg": jpeg, added[1].ID + ".png": png, added[2].ID + ".webp": webp}
	if diff := cmp.Diff(wantPacked, packed); diff != "" {
		t.Errorf("album (-want +got):\n%s", diff)
	}

	gone := path + "/" + added[1].ID
	sends(t, k, 204, plugintest.Request{Method: "DELETE", Path: gone})
	if a := sends(t, k, 404, plugintest.Request{Path: gone}); a.Body != "there is no picture "+added[1].ID {
		t.Errorf("a picture that was removed: got %s", a.Body)
	}
	if kept := k.Kept(added[1].ID); len(kept) != 0 {
		t.Errorf("it still keeps %q", kept)
	}
	sends(t, k, 404, plugintest.Request{Method: "DELETE", Path: gone})
}

// What is refused leaves nothing, also of what was good in it.
func TestRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		request plugintest.Request
		status  int
		want    string
	}{
		"text":           {raw("text"), 400, "the upload: it is no JPEG, PNG or WebP"},
		"nothing":        {raw(""), 400, "the upload: it is no JPEG, PNG or WebP"},
		"half a WebP":    {raw("RIFF\x10\x00\x00\x00WEB"), 400, "it is no JPEG"},
		"one of several": {form("x", "a.jpg", jpeg, "b.jpg", "<script>"), 400, "b.jpg: it is no JPEG, PNG or WebP"},
		"no file":        {form("x"), 400, "there is no picture in it"},
		"title":          {form(strings.Repeat("x", 201), "a.jpg", jpeg), 400, "the title has more than 200 bytes"},
		"not there":      {plugintest.Request{Path: path + "/none"}, 404, "there is no picture none"},
		"remove as anybody": {plugintest.Request{Method: "DELETE", Path: path + "/none", Caller: &sdk.Caller{User: "linde", Roles: []string{"user"}}},
			http.StatusForbidden, "needs one of the roles admin, operator"},
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t)
			if a := sends(t, k, tt.status, tt.request); !strings.Contains(a.Body, tt.want) {
				t.Errorf("got %s, want …%s…", a.Body, tt.want)
			}
			if list := pictures(t, k, k.Get(path)); len(list) != 0 {
				t.Errorf("the list has %+v", list)
			}
		})
	}
}

// A picture is for those whom the sender's groups reach.
func TestGroups(t *testing.T) {
	k := start(t)
	red, blue := k.Set("Red"), k.Set("Blue")
	r := raw(jpeg)
	r.Caller = &sdk.Caller{User: "anna", Roles: []string{"user"}, InSet: red, OutSet: red}
	id := pictures(t, k, sends(t, k, 201, r))[0].ID
	for _, tt := range []struct {
		user   string
		set    int32
		status int
		list   int
	}{{"ben", red, 200, 1}, {"carl", blue, 404, 0}} {
		caller := &sdk.Caller{User: tt.user, Roles: []string{"user"}, InSet: tt.set, OutSet: tt.set}
		sends(t, k, tt.status, plugintest.Request{Path: path + "/" + id, Caller: caller})
		if list := pictures(t, k, k.Do(plugintest.Request{Path: path, Caller: caller})); len(list) != tt.list {
			t.Errorf("%s sees %+v, want %d", tt.user, list, tt.list)
		}
		album := k.Do(plugintest.Request{Path: "/api/plugins/pictures/album", Caller: caller}).Body
		if z, err := zip.NewReader(strings.NewReader(album), int64(len(album))); err != nil || len(z.File) != tt.list {
			t.Errorf("%s: the album has %d bytes, error %v, want %d pictures", tt.user, len(album), err, tt.list)
		}
	}
}

// When the call is made again, or the server starts again, nothing is there twice or lost.
func TestAgain(t *testing.T) {
	k := start(t)
	k.Conflict(1)
	sends(t, k, 201, raw(jpeg))
	k.Restart(time.Minute)
	sends(t, k, 201, raw(jpeg)) // the same file, for another owner
	list := pictures(t, k, k.Get(path))
	if len(list) != 2 || list[0].Hash != list[1].Hash || list[0].ID == list[1].ID {
		t.Fatalf("the list has %+v, want the picture twice", list)
	}
	sends(t, k, 204, plugintest.Request{Method: "DELETE", Path: path + "/" + list[0].ID})
	if a := sends(t, k, 200, plugintest.Request{Path: path + "/" + list[1].ID}); a.Body != jpeg {
		t.Errorf("the other one: got %q", a.Body)
	}
}
