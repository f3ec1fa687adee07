package conformance

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// fileHost is the server's own host as far as it is about files, in front of a store
// on disk: what a case says of files is so in the server.
type fileHost struct {
	env     *call.Env
	blobs   *store.Blobs
	plugins int // made so far
}

func newFileHost(t *testing.T) *fileHost {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{DSN: "sqlite", Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	env := &call.Env{Store: st.Plugins(), Blobs: st.Blobs(), Log: slog.New(slog.DiscardHandler)}
	t.Cleanup(env.Settle)
	return &fileHost{env: env, blobs: st.Blobs()}
}

// keeper is a plugin that the file host knows, and the guest that plays it.
type keeper struct {
	*plugin
	as    *call.Plugin
	calls *call.Call // the one that the guest is in
}

const someBytes = 64 << 20 // that a plugin may keep in most cases

// keeper makes the guest a new plugin, with that grant; 0: without one.
func (p *plugin) keeper(bytes int64) *keeper {
	p.Helper()
	h := p.subject.files
	h.plugins++
	name := fmt.Sprintf("%s-%d", p.subject.name, h.plugins)
	grants := hostapi.Grants{}
	if bytes > 0 {
		grants[hostapi.CapBlobs] = hostapi.Scope{Bytes: bytes}
	}
	as, err := h.env.NewPlugin(call.Spec{Name: name, Manifest: &manifest.Manifest{Name: name, Version: "1.0.0"}, Grants: grants})
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(as.Close)
	k := &keeper{plugin: p, as: as}
	k.begins(call.Options{})
	return k
}

// begins begins a call, of which no effect is seen before it is committed.
func (k *keeper) begins(o call.Options) {
	if k.calls != nil {
		k.calls.Discard()
	}
	k.calls = k.as.Begin(o)
	k.host.Files = k.calls
}

// commit ends the call as the server does when the guest answered with success, and
// begins the next one.
func (k *keeper) commit() error {
	err := k.calls.Commit(k.Context())
	k.calls = nil
	k.begins(call.Options{})
	return err
}

func (k *keeper) commits() {
	k.Helper()
	if err := k.commit(); err != nil {
		k.Fatalf("commit: %v", err)
	}
}

// uploaded stores a file as an upload does, and gives its hash.
func (p *plugin) uploaded(content []byte) string {
	p.Helper()
	b, err := p.subject.files.blobs.Put(p.Context(), bytes.NewReader(content), store.BlobSpec{ContentType: "image/x", Name: "up é"})
	if err != nil {
		p.Fatal(err)
	}
	return b.Hash
}

// stored gives the content of a file of the store.
func (p *plugin) stored(hash string) string {
	p.Helper()
	r, err := p.subject.files.blobs.Open(p.Context(), hash)
	if err != nil {
		p.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		p.Fatal(err)
	}
	return string(content)
}

func hashOf[T string | []byte](content T) string {
	h := sha256.Sum256([]byte(content))
	return hex.EncodeToString(h[:])
}

// refText is a file as the guests write it.
func refText(content, contentType, name string) string {
	return fmt.Sprintf("%s|%d|%s|%s|", hashOf(content), len(content), contentType, name)
}

// noFile is the hash of a file that nobody has.
var noFile = hashOf("nobody has this")

// zipOf makes an archive of names and contents.
func zipOf(t testing.TB, pairs ...string) []byte {
	t.Helper()
	return zipWith(t, func(z *zip.Writer) error {
		for i := 0; i < len(pairs); i += 2 {
			w, err := z.Create(pairs[i])
			if err != nil {
				return err
			}
			if _, err := io.WriteString(w, pairs[i+1]); err != nil {
				return err
			}
		}
		return nil
	})
}

func zipWith(t testing.TB, write func(*zip.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := write(z); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hostFunc is a host that answers what it likes.
type hostFunc func(op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status)

func (f hostFunc) Serve(_ context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	return f(op, in, dst)
}

// refs makes BlobRefs.
func refs(n int) (list []wire.BlobRef) {
	for i := range n {
		list = append(list, wire.BlobRef{Hash: hashOf(fmt.Sprint(i)), Size: int64(i) << 40, ContentType: "type/é", Name: fmt.Sprint("name ", i)})
	}
	return list
}
