package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// TestRefusedUploadGoes: what came with a request that fails takes no room when the
// answer is there, unless somebody keeps it.
func TestRefusedUploadGoes(t *testing.T) {
	f := newFiles(t, 1<<20, store.Options{})
	keep := func(hash string) {
		w := f.st.Plugins().Begin()
		o := &store.Owner{Plugin: "fence"}
		err := w.KeepBlob(t.Context(), o, "x", hash)
		if err == nil {
			_, err = w.Commit(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
	}
	answer := func(status int) func(*wire.HTTPRequest) (*plugin.Answer, error) {
		return func(*wire.HTTPRequest) (*plugin.Answer, error) { return textAnswer(status, "", "so be it"), nil }
	}
	fail := func(err error) func(*wire.HTTPRequest) (*plugin.Answer, error) {
		return func(*wire.HTTPRequest) (*plugin.Answer, error) { return nil, err }
	}
	for _, c := range []struct {
		name  string
		does  func(*wire.HTTPRequest) (*plugin.Answer, error)
		stays bool
	}{
		{"nothing said", answer(0), true},
		{"created", answer(201), true},
		{"see other", answer(303), true},
		{"forbidden", answer(403), false},
		{"failed", answer(500), false},
		{"forbidden by an error", fail(&call.StatusError{Status: hostapi.Forbidden, Message: "not you"}), false},
		{"crashed", fail(errors.New("crashed")), false},
		{"busy", fail(&call.StatusError{Status: hostapi.Retry, Message: "later"}), false},
		{"a header that cannot be sent", func(*wire.HTTPRequest) (*plugin.Answer, error) {
			a := textAnswer(200, "", "x")
			a.Header = [][2]string{{"X-A", "a\nb"}}
			return a, nil
		}, false},
		{"kept", func(r *wire.HTTPRequest) (*plugin.Answer, error) {
			for _, b := range r.Blobs {
				keep(b.Hash)
			}
			return textAnswer(409, "", "there is one"), nil
		}, true},
	} {
		for _, form := range []bool{false, true} {
			t.Run(c.name+map[bool]string{true: " form", false: " raw"}[form], func(t *testing.T) {
				body, want, header := c.name, []string{c.name}, []string{}
				if form {
					want = []string{c.name + " 1", c.name + " 2"}
					body, header = formOf(want...), []string{"Content-Type", "multipart/form-data; boundary=x"}
				}
				f.plugins.http = func(_ context.Context, _, _ string, r *wire.HTTPRequest) (*plugin.Answer, error) {
					if len(r.Blobs) != len(want) {
						t.Errorf("the plugin got %d files, want %d", len(r.Blobs), len(want))
					}
					for _, b := range r.Blobs {
						if _, err := f.st.Blobs().Stat(t.Context(), b.Hash); err != nil {
							t.Errorf("while the plugin answers: %v", err)
						}
					}
					return c.does(r)
				}
				f.send(t, "POST", uploadPath, body, header...)
				for _, content := range want {
					if _, err := f.st.Blobs().Stat(t.Context(), hashOf(content)); (err == nil) != c.stays {
						t.Errorf("got error %v, want the file there: %v", err, c.stays)
					}
				}
			})
		}
	}
}

func formOf(contents ...string) string {
	var b strings.Builder
	for _, c := range contents {
		b.WriteString("--x\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\n" + c + "\r\n")
	}
	return b.String() + "--x--\r\n"
}

// TestRefusedUploadsLeaveRoom: somebody who may not send cannot fill the quota.
func TestRefusedUploadsLeaveRoom(t *testing.T) {
	f := newFiles(t, 1<<20, store.Options{Blobs: store.BlobOptions{Quota: 3 << 20}})
	refused := &call.StatusError{Status: hostapi.Forbidden, Message: "not you"}
	f.plugins.http = func(context.Context, string, string, *wire.HTTPRequest) (*plugin.Answer, error) { return nil, refused }
	for i := range 10 {
		req, err := http.NewRequestWithContext(t.Context(), "POST", f.url+uploadPath, io.MultiReader(bytesOf(byte(i)), &endless{1<<20 - 1}))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+testToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Fatalf("upload %d: got %s, want 403", i, resp.Status)
		}
	}
	if n, bytes := f.st.Blobs().Total(); n != 0 || bytes != 0 {
		t.Errorf("%d files of %d bytes are left", n, bytes)
	}
}
