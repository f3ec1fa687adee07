package tests

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"sync"
	"testing"
	"time"
)

// content is a file of any size that no memory holds: blocks of random bytes, each of
// which begins with its number and the seed, so that no two are alike.
type content struct {
	seed uint64
	size int64
}

const contentBlock = 64 << 10

var randomBlock = sync.OnceValue(func() []byte {
	b := make([]byte, contentBlock)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b) // it never fails
	return b
})

func (c content) reader() io.Reader { return &contentReader{content: c} }

type contentReader struct {
	content
	at int64
}

// Read implements io.Reader.
func (r *contentReader) Read(p []byte) (n int, err error) {
	var mark [16]byte
	for n < len(p) && r.at < r.size {
		in := r.at % contentBlock
		from := randomBlock()[in:]
		if in < int64(len(mark)) {
			binary.LittleEndian.PutUint64(mark[:], r.seed)
			binary.LittleEndian.PutUint64(mark[8:], uint64(r.at-in))
			from = mark[in:]
		}
		k := copy(p[n:], from[:min(int64(len(from)), r.size-r.at)])
		r.at, n = r.at+int64(k), n+k
	}
	if n == 0 && r.at == r.size && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// sums remembers the hashes, which take a while.
var sums sync.Map

func (c content) hash() string {
	if sum, ok := sums.Load(c); ok {
		return sum.(string)
	}
	h := sha256.New()
	_, _ = io.Copy(h, c.reader()) // neither fails
	sum := hex.EncodeToString(h.Sum(nil))
	sums.Store(c, sum)
	return sum
}

// form wraps a file into a form, as ATAK sends it; nameless is as node-tak does.
func (c content) form(name string, nameless bool) (body io.Reader, length int64, kind string) {
	return formAround(c.reader(), c.size, name, nameless)
}

func formAround(file io.Reader, size int64, name string, nameless bool) (body io.Reader, length int64, kind string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="assetfile"`}, "Content-Type": {"application/octet-stream"}}
	if !nameless {
		h.Set("Content-Disposition", `form-data; name="assetfile"; filename="`+name+`"`)
	}
	_, _ = w.CreatePart(h) // a buffer takes everything
	head := bytes.Clone(b.Bytes())
	b.Reset()
	_ = w.Close()
	tail := b.Bytes()
	return io.MultiReader(bytes.NewReader(head), file, bytes.NewReader(tail)), int64(len(head)+len(tail)) + size, w.FormDataContentType()
}

// archive is a data package around a content, not compressed, such that all of it has
// as many bytes as wanted.
type archive struct {
	head, tail []byte
	inside     content
}

func newArchive(t testing.TB, seed uint64, size int64) *archive {
	t.Helper()
	const manifest = `<MissionPackageManifest version="2"/>`
	// What stands around the content is as long for any content of more than 4 bytes.
	around := func(inside content) *archive {
		sum := crc32.NewIEEE()
		_, _ = io.Copy(sum, inside.reader())
		a, skip := &archive{inside: inside}, &skipping{}
		z := zip.NewWriter(skip)
		w, err := z.CreateHeader(&zip.FileHeader{Name: "MANIFEST/manifest.xml", Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(w, manifest)
		}
		if err == nil {
			w, err = z.CreateRaw(&zip.FileHeader{
				Name: "a/map.bin", Method: zip.Store, CRC32: sum.Sum32(),
				CompressedSize64: uint64(inside.size), UncompressedSize64: uint64(inside.size),
			})
		}
		if err == nil {
			err = z.Flush()
		}
		a.head, skip.skip = skip.rest(), true
		if err == nil {
			_, err = io.CopyN(w, zeroReader{}, inside.size)
		}
		if err == nil {
			err = z.Flush()
		}
		skip.skip = false
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		a.tail = skip.rest()
		return a
	}
	return around(content{seed, size - around(content{seed, 0}).size()})
}

// skipping keeps what is written to it, unless it is to be skipped.
type skipping struct {
	bytes.Buffer
	skip bool
}

func (s *skipping) Write(b []byte) (int, error) {
	if s.skip {
		return len(b), nil
	}
	return s.Buffer.Write(b)
}

func (s *skipping) rest() []byte { b := bytes.Clone(s.Bytes()); s.Reset(); return b }

func (a *archive) size() int64 { return int64(len(a.head)+len(a.tail)) + a.inside.size }

func (a *archive) reader() io.Reader {
	return io.MultiReader(bytes.NewReader(a.head), a.inside.reader(), bytes.NewReader(a.tail))
}

func (a *archive) hash() string {
	h := sha256.New()
	_, _ = io.Copy(h, a.reader())
	return hex.EncodeToString(h.Sum(nil))
}

// mover sends and fetches files of any size, over connections that it keeps. It may be
// used from any goroutine.
type mover struct {
	asker
	http *http.Client
}

// moveWait bounds one transfer.
const moveWait = 5 * time.Minute

// mover gives one who asks as a does.
func (a *asker) mover(t testing.TB) *mover {
	m := &mover{*a, &http.Client{Transport: &http.Transport{TLSClientConfig: a.conf, MaxIdleConnsPerHost: 16, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10}}}
	t.Cleanup(m.http.CloseIdleConnections)
	return m
}

// send sends a body; length -1 is chunked.
func (m *mover) send(method, path, kind string, body io.Reader, length int64) (*reply, error) {
	resp, err := m.do(method, path, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(body), length
		if length == 0 {
			r.Body = http.NoBody
		}
		r.Header.Set("Content-Type", kind)
	})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &reply{t: m.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: string(b)}, nil
}

func (m *mover) do(method, path string, change func(*http.Request)) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), moveWait)
	req, err := http.NewRequestWithContext(ctx, method, m.base+path, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	if m.show != nil {
		m.show(req)
	}
	change(req)
	resp, err := m.http.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &cancelling{resp.Body, cancel}
	return resp, nil
}

// cancelling ends a context with a body.
type cancelling struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (c *cancelling) Close() error { defer c.cancel(); return c.ReadCloser.Close() }

// fetch gets a file and gives its hash.
func (m *mover) fetch(method, path string) (status int, header http.Header, sum string, n int64, err error) {
	resp, err := m.do(method, path, func(*http.Request) {})
	if err != nil {
		return 0, nil, "", 0, err
	}
	defer resp.Body.Close()
	sum, n, err = sumAll(resp.Body)
	return resp.StatusCode, resp.Header, sum, n, err
}

// sumAll reads to the end.
func sumAll(r io.Reader) (sum string, n int64, err error) {
	h := sha256.New()
	n, err = io.CopyBuffer(h, struct{ io.Reader }{r}, make([]byte, 128<<10))
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// put sends a file as a body.
func (m *mover) put(name string, c content) (got receivedFile, err error) {
	r, err := m.send("POST", "/Marti/sync/upload?name="+name, "application/octet-stream", c.reader(), c.size)
	if err != nil {
		return got, err
	}
	return got, r.decode(200, &got)
}

// sendPackage sends a data package as ATAK does.
func (m *mover) sendPackage(a *archive, name string) error {
	body, length, kind := formAround(a.reader(), a.size(), name, false)
	r, err := m.send("POST", "/Marti/sync/missionupload?filename="+name+"&creatorUid=TEST", kind, body, length)
	if err == nil && r.status != 200 {
		err = fmt.Errorf("%s: got %d %s", r.what, r.status, r.body)
	}
	return err
}

// decode is into for any goroutine.
func (a *reply) decode(status int, to any) error {
	if a.status != status {
		return fmt.Errorf("%s: got %d %s, want %d", a.what, a.status, a.body, status)
	}
	return json.Unmarshal([]byte(a.body), to)
}

// drain fetches a file of that size and looks at nothing of it.
func (m *mover) drain(path string, size int64) error {
	resp, err := m.do("GET", path, func(*http.Request) {})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, make([]byte, 128<<10))
	if err == nil && (n != size || resp.StatusCode != 200) {
		err = fmt.Errorf("%s: got %d with %d bytes of %d", path, resp.StatusCode, n, size)
	}
	return err
}

// removes deletes what is at a path.
func (m *mover) removes(path string) error {
	r, err := m.send("DELETE", path, "", http.NoBody, 0)
	if err == nil && r.status != 200 {
		err = fmt.Errorf("%s: got %d %s", r.what, r.status, r.body)
	}
	return err
}
