package call

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// testZip is an archive of a.txt and dir/b.txt.
func testZip() []byte { return zipOf("a.txt", "hello", "dir/b.txt", strings.Repeat("b", 100)) }

func zipOf(pairs ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		w, err := z.Create(pairs[i])
		if err == nil {
			_, err = io.WriteString(w, pairs[i+1])
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func hashOf(content []byte) string {
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:])
}

// blob stores a file as an upload does.
func (b *bed) blob(content []byte) string {
	b.Helper()
	blob, err := b.st.Blobs().Put(b.Context(), bytes.NewReader(content), store.BlobSpec{ContentType: "application/zip", Name: "up.zip"})
	if err != nil {
		b.Fatal(err)
	}
	return blob.Hash
}

// refOf does an operation that gives a BlobRef.
func (b *bed) refOf(c *Call, op hostapi.HostOp, in message) (ref wire.BlobRef) {
	b.Helper()
	if err := ref.Decode(b.ok(c, op, in)); err != nil {
		b.Fatal(err)
	}
	return ref
}

func (b *bed) content(hash string) string {
	b.Helper()
	r, err := b.st.Blobs().Open(b.Context(), hash)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		b.Fatal(err)
	}
	return string(content)
}

func (b *bed) kept(c *Call, owner string) []string {
	b.Helper()
	var refs wire.BlobRefs
	if err := refs.Decode(b.ok(c, hostapi.HostBlobList, &wire.BlobOwner{Owner: owner})); err != nil {
		b.Fatal(err)
	}
	list := []string{}
	for _, r := range refs.Blobs {
		list = append(list, fmt.Sprint(r.Name, " ", r.Size))
	}
	return list
}

func blobGrant(bytes int64) hostapi.Grants {
	return hostapi.Grants{hostapi.CapBlobs: {Bytes: bytes}}
}

func TestBlobPutReadStat(t *testing.T) {
	b := newBed(t)
	c := b.plugin("p", blobGrant(10<<20)).Begin(Options{ReadOnly: true})
	content := []byte("0123456789")
	want := wire.BlobRef{Hash: hashOf(content), Size: 10, ContentType: "text/plain", Name: "n.txt"}
	got := b.refOf(c, hostapi.HostBlobPut, &wire.BlobPut{Data: content, ContentType: "text/plain", Name: "n.txt"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("put (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, b.refOf(c, hostapi.HostBlobStat, &wire.BlobRef{Hash: want.Hash})); diff != "" {
		t.Errorf("stat (-want +got):\n%s", diff)
	}
	for _, r := range []struct {
		offset int64
		length uint32
		want   string
	}{{0, 10, "0123456789"}, {3, 4, "3456"}, {8, 100, "89"}, {10, 5, ""}, {1 << 40, 5, ""}, {0, 0, ""}} {
		if got := b.ok(c, hostapi.HostBlobRead, &wire.BlobRead{Hash: want.Hash, Offset: r.offset, Length: r.length}); string(got) != r.want {
			t.Errorf("read %d+%d: got %q, want %q", r.offset, r.length, got, r.want)
		}
	}
	none := strings.Repeat("0", 64)
	b.refused(c, hostapi.HostBlobRead, &wire.BlobRead{Hash: want.Hash, Offset: -1}, hostapi.Invalid, "below zero")
	b.refused(c, hostapi.HostBlobRead, &wire.BlobRead{Hash: want.Hash, Length: hostapi.MaxBlobRead + 1}, hostapi.Limit, "at most")
	b.refused(c, hostapi.HostBlobRead, &wire.BlobRead{Hash: none, Length: 1}, hostapi.NotFound, "there is no file "+none)
	b.refused(c, hostapi.HostBlobStat, &wire.BlobRef{Hash: "../../state.db"}, hostapi.Invalid, "is no SHA-256")
	b.refused(c, hostapi.HostBlobPut, &wire.BlobPut{Data: make([]byte, hostapi.MaxBlobInline+1)}, hostapi.Limit, "at most")
	if c.Staged() {
		t.Error("something was staged")
	}
}

func TestBlobKeepIsStaged(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", blobGrant(20))
	put := &wire.BlobPut{Data: []byte("0123456789"), Name: "n"}
	c := p.Begin(Options{})
	ref := b.refOf(c, hostapi.HostBlobPut, put)
	b.ok(c, hostapi.HostBlobKeep, &wire.BlobKeep{Hash: ref.Hash, Owner: "o"})
	if diff := cmp.Diff([]string{"n 10"}, b.kept(c, "o")); diff != "" {
		t.Errorf("own staged ones (-want +got):\n%s", diff)
	}
	if got := b.kept(p.Begin(Options{}), "o"); len(got) != 0 {
		t.Errorf("before the commit: others see %q", got)
	}
	c.Discard()
	c = p.Begin(Options{})
	if got := b.kept(c, "o"); len(got) != 0 {
		t.Errorf("after a discarded call: got %q", got)
	}
	b.refused(c, hostapi.HostBlobKeep, &wire.BlobKeep{Hash: ref.Hash, Owner: "o"}, hostapi.NotFound, "there is no file")
	b.ok(c, hostapi.HostBlobPut, put)
	b.ok(c, hostapi.HostBlobKeep, &wire.BlobKeep{Hash: ref.Hash, Owner: "o"})
	b.commit(c)
	other := b.plugin("q", blobGrant(20)).Begin(Options{})
	if got := b.kept(other, "o"); len(got) != 0 {
		t.Errorf("another plugin sees %q", got)
	}
	b.ok(other, hostapi.HostBlobRelease, &wire.BlobKeep{Hash: ref.Hash, Owner: "o"})
	b.commit(other)
	b.advance(2 * store.BlobTTL)
	c = p.Begin(Options{})
	if diff := cmp.Diff([]string{"n 10"}, b.kept(c, "o")); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	second := b.refOf(c, hostapi.HostBlobPut, &wire.BlobPut{Data: []byte("abcdefghijk"), Name: "m"})
	b.ok(c, hostapi.HostBlobKeep, &wire.BlobKeep{Hash: second.Hash, Owner: "o"})
	if err := c.Commit(t.Context()); StatusOf(err).Status != hostapi.Limit || !strings.Contains(err.Error(), "21 bytes, 20 are granted") {
		t.Errorf("beyond the grant: got error %v", err)
	}
	c = p.Begin(Options{})
	b.refused(c, hostapi.HostBlobStat, &wire.BlobRef{Hash: second.Hash}, hostapi.NotFound, "there is no file") // of a commit that failed
	b.ok(c, hostapi.HostBlobPut, &wire.BlobPut{Data: []byte("abcdefghijk"), Name: "m"})
	b.refused(c, hostapi.HostBlobKeep, &wire.BlobKeep{Hash: second.Hash}, hostapi.Invalid, "needs a name")
	b.refused(c, hostapi.HostBlobKeep, &wire.BlobKeep{Hash: strings.Repeat("0", 64), Owner: "o"}, hostapi.NotFound, "there is no file")
	b.ok(c, hostapi.HostBlobRelease, &wire.BlobKeep{Hash: ref.Hash, Owner: "o"})
	b.ok(c, hostapi.HostBlobKeep, &wire.BlobKeep{Hash: second.Hash, Owner: "o"})
	b.commit(c)
	if diff := cmp.Diff([]string{"m 11"}, b.kept(p.Begin(Options{}), "o")); diff != "" {
		t.Errorf("exchanged (-want +got):\n%s", diff)
	}
}

// TestBlobsWrittenInAnHour: what nobody keeps stays an hour, so a plugin cannot
// fill the disk by writing all the time.
func TestBlobsWrittenInAnHour(t *testing.T) {
	b := newBed(t)
	c := b.plugin("p", blobGrant(100)).Begin(Options{})
	put := &wire.BlobPut{Data: make([]byte, 100)}
	for i := range looseShare {
		put.Data[0] = byte(i)
		b.ok(c, hostapi.HostBlobPut, put)
	}
	b.refused(c, hostapi.HostBlobPut, put, hostapi.Limit, "400 bytes within an hour")
	b.refused(c, hostapi.HostBlobPut, &wire.BlobPut{Data: make([]byte, 101)}, hostapi.Limit, "100 are granted")
	b.advance(time.Hour)
	b.ok(c, hostapi.HostBlobPut, put)
}

// TestBlobsOfACall: what a call has written goes with it when it fails, and stays
// while room is not short when it ends well. An action is part of its caller's.
func TestBlobsOfACall(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", blobGrant(10<<20))
	hash := b.blob(testZip())
	write := func(c *Call) (hashes []string) {
		for _, in := range []struct {
			op hostapi.HostOp
			m  message
		}{
			{hostapi.HostBlobPut, &wire.BlobPut{Data: []byte("put")}},
			{hostapi.HostBlobZipEntry, &wire.ZipEntryRequest{Hash: hash, Name: "dir/b.txt"}},
			{hostapi.HostBlobPack, &wire.BlobPack{Entries: []wire.PackEntry{{Name: "a", Hash: hash}}}},
		} {
			hashes = append(hashes, b.refOf(c, in.op, in.m).Hash)
		}
		return hashes
	}
	there := func(what string, hashes []string, want bool) {
		t.Helper()
		for _, h := range hashes {
			if _, err := b.st.Blobs().Stat(t.Context(), h); (err == nil) != want {
				t.Errorf("%s: got error %v, want the file there: %v", what, err, want)
			}
		}
	}
	c := p.Begin(Options{})
	child := c.Child(p, Options{Op: hostapi.OpAction})
	hashes := write(child)
	child.Discard()
	there("after the action", hashes, true)
	c.Discard()
	there("discarded", hashes, false)
	c = p.Begin(Options{Trial: true})
	write(c)
	b.commit(c)
	there("of a trial", hashes, false)
	c = p.Begin(Options{ReadOnly: true})
	write(c)
	b.commit(c)
	c.Discard()
	there("committed", hashes, true)
}

func TestBlobZip(t *testing.T) {
	b := newBed(t)
	c := b.plugin("p", blobGrant(10<<20)).Begin(Options{})
	hash := b.blob(testZip())
	var entries wire.ZipEntries
	if err := entries.Decode(b.ok(c, hostapi.HostBlobZipList, &wire.BlobRef{Hash: hash})); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]wire.ZipEntry{{Name: "a.txt", Size: 5}, {Name: "dir/b.txt", Size: 100}}, entries.Entries); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	entry := b.refOf(c, hostapi.HostBlobZipEntry, &wire.ZipEntryRequest{Hash: hash, Name: "dir/b.txt"})
	if got := b.content(entry.Hash); got != strings.Repeat("b", 100) || entry.Name != "b.txt" || entry.Size != 100 {
		t.Errorf("entry: got %+v, %q", entry, got)
	}
	packed := b.refOf(c, hostapi.HostBlobPack, &wire.BlobPack{Name: "out.zip", Entries: []wire.PackEntry{
		{Name: "MANIFEST/manifest.xml", Data: []byte("<m/>")}, {Name: "x/b.txt", Hash: entry.Hash}, {Name: "empty"},
	}})
	if packed.ContentType != "application/zip" || packed.Name != "out.zip" {
		t.Errorf("packed: got %+v", packed)
	}
	z, err := zip.NewReader(strings.NewReader(b.content(packed.Hash)), packed.Size)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name] = string(content)
	}
	if diff := cmp.Diff(map[string]string{"MANIFEST/manifest.xml": "<m/>", "x/b.txt": strings.Repeat("b", 100), "empty": ""}, got); diff != "" {
		t.Errorf("packed (-want +got):\n%s", diff)
	}

	none := strings.Repeat("0", 64)
	b.refused(c, hostapi.HostBlobZipEntry, &wire.ZipEntryRequest{Hash: hash, Name: "none"}, hostapi.NotFound, `no "none"`)
	b.refused(c, hostapi.HostBlobZipList, &wire.BlobRef{Hash: none}, hostapi.NotFound, "there is no file")
	b.refused(c, hostapi.HostBlobZipList, &wire.BlobRef{Hash: b.blob([]byte("text"))}, hostapi.Invalid, "broken, or none")
	b.refused(c, hostapi.HostBlobZipList, &wire.BlobRef{Hash: b.blob(zipOf("../../etc/passwd", "x"))}, hostapi.Invalid, `".."`)
	bomb := b.blob(zipOf("zeros", strings.Repeat("\x00", 65<<20)))
	a := b.do(c, hostapi.HostBlobZipEntry, &wire.ZipEntryRequest{Hash: bomb, Name: "zeros"})
	if a.status != hostapi.Invalid || a.err.Code != "too_large" {
		t.Errorf("bomb: got %v: %+v", a.status, a.err)
	}
	b.refused(c, hostapi.HostBlobPack, &wire.BlobPack{Entries: []wire.PackEntry{{Name: "../a"}}}, hostapi.Invalid, `".."`)
	b.refused(c, hostapi.HostBlobPack, &wire.BlobPack{Entries: []wire.PackEntry{{Name: "a", Hash: none}}}, hostapi.NotFound, "there is no file")
	b.refused(c, hostapi.HostBlobPack, &wire.BlobPack{Entries: []wire.PackEntry{{Name: "a", Hash: hash, Data: []byte("x")}}}, hostapi.Invalid, "at once")
}

// TestBlobZipInTime: the guest learns that its time is over.
func TestBlobZipInTime(t *testing.T) {
	b := newBed(t)
	c := b.plugin("p", blobGrant(10<<20)).Begin(Options{})
	hash := b.blob(testZip())
	ctx, cancel := context.WithTimeout(t.Context(), zipMargin)
	defer cancel()
	for op, in := range map[hostapi.HostOp]message{
		hostapi.HostBlobZipList:  &wire.BlobRef{Hash: hash},
		hostapi.HostBlobZipEntry: &wire.ZipEntryRequest{Hash: hash, Name: "a.txt"},
		hostapi.HostBlobPack:     &wire.BlobPack{Entries: []wire.PackEntry{{Name: "a", Hash: hash}}},
	} {
		out, s := c.Serve(ctx, op, in.Append(nil), nil)
		var e wire.Error
		if err := e.Decode(out); err != nil || s != hostapi.Retry || !strings.Contains(e.Message, "time for this call is over") {
			t.Errorf("%v: got %v: %+v, error %v, want retry", op, s, e, err)
		}
	}
}

func TestBlobsInAnAction(t *testing.T) {
	b := newBed(t)
	p, callee := b.plugin("p", all()), b.plugin("files", blobGrant(1000))
	hash := b.blob([]byte("shared"))
	b.actions = actionTable{"files.keep": func(_ context.Context, parent *Call, _ *wire.Action) (*wire.ActionResult, error) {
		child := parent.Child(callee, Options{Op: hostapi.OpAction})
		defer child.Discard()
		b.ok(child, hostapi.HostBlobKeep, &wire.BlobKeep{Hash: hash, Owner: "for p"})
		return &wire.ActionResult{}, nil
	}}
	c := p.Begin(Options{})
	b.ok(c, hostapi.HostCall, &wire.Action{Name: "files.keep"})
	b.commit(c)
	if got := b.kept(callee.Begin(Options{}), "for p"); len(got) != 1 {
		t.Errorf("callee keeps %q, want the file", got)
	}
	if got := b.kept(p.Begin(Options{}), "for p"); len(got) != 0 {
		t.Errorf("caller keeps %q, want none", got)
	}
}
