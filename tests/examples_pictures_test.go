package tests

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"image"
	"image/jpeg"
	"io"
	"net/http"
	"testing"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// A picture comes back byte for byte, lies in the album, and is gone when it was given
// up; what is none is refused.
func testPictures(t *testing.T, srv *taktest.Child) {
	withExample(t, srv, "pictures", map[string]any{})
	const pictures = "http://takhost/api/plugins/pictures/pictures"
	var picture bytes.Buffer
	takclient.Must(t, jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, 64, 64)), nil))
	send := func(want int, method, address string, body []byte) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
		takclient.Must(t, err)
		req.Header.Set("Content-Type", "image/jpeg")
		resp, err := srv.HTTP().Do(req)
		takclient.Must(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%s %s: got %s %.200q, error %v; want %d", method, address, resp.Status, text, err, want)
		}
		return resp, text
	}
	send(400, "POST", pictures, []byte("no picture"))
	_, made := send(201, "POST", pictures, picture.Bytes())
	var kept struct{ Pictures []struct{ ID string } }
	if err := json.Unmarshal(made, &kept); err != nil || len(kept.Pictures) != 1 {
		t.Fatalf("got %s, error %v", made, err)
	}
	one := pictures + "/" + kept.Pictures[0].ID
	if resp, text := send(200, "GET", one, nil); !bytes.Equal(text, picture.Bytes()) || resp.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("got %d bytes, %v; want %d", len(text), resp.Header, picture.Len())
	}
	_, album := send(200, "GET", "http://takhost/api/plugins/pictures/album", nil)
	if z, err := zip.NewReader(bytes.NewReader(album), int64(len(album))); err != nil || len(z.File) != 1 || z.File[0].UncompressedSize64 != uint64(picture.Len()) {
		t.Errorf("the album is %d bytes, error %v", len(album), err)
	}
	send(204, "DELETE", one, nil)
	send(404, "GET", one, nil)
}
