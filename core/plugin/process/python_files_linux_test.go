package process

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// testPythonFiles has the sample do everything with files, once.
func testPythonFiles(t *testing.T, i guest.Instance, h *recorder) {
	ref := string((&wire.BlobRef{Hash: "h", Size: 9}).Append(nil))
	h.answers = map[hostapi.HostOp]string{
		hostapi.HostBlobPut: ref, hostapi.HostBlobStat: ref, hostapi.HostBlobZipEntry: ref, hostapi.HostBlobPack: ref, hostapi.HostBlobRead: "part",
		hostapi.HostBlobList:    string((&wire.BlobRefs{Blobs: []wire.BlobRef{{Name: "a"}, {Name: "b"}}}).Append(nil)),
		hostapi.HostBlobZipList: string((&wire.ZipEntries{Entries: []wire.ZipEntry{{Name: "a/b", Size: 5}}}).Append(nil)),
	}
	h.asked = nil
	if got, want := get(t, i, "files"), `["h", "part", 9, ["a", "b"], [["a/b", 5]], "h", "h"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var asked []string
	for _, o := range []struct {
		op hostapi.HostOp
		m  message
	}{
		{hostapi.HostBlobPut, &wire.BlobPut{Data: []byte("text"), Name: "n.txt", ContentType: "text/plain"}},
		{hostapi.HostBlobKeep, &wire.BlobKeep{Hash: "h", Owner: "o"}},
		{hostapi.HostBlobRelease, &wire.BlobKeep{Hash: "h", Owner: "p"}},
		{hostapi.HostBlobRead, &wire.BlobRead{Hash: "h", Offset: 3, Length: 4}},
		{hostapi.HostBlobStat, &wire.BlobRef{Hash: "h"}},
		{hostapi.HostBlobList, &wire.BlobOwner{Owner: "o"}},
		{hostapi.HostBlobZipList, &wire.BlobRef{Hash: "h"}},
		{hostapi.HostBlobZipEntry, &wire.ZipEntryRequest{Hash: "h", Name: "a/b"}},
		{hostapi.HostBlobPack, &wire.BlobPack{Name: "p.zip", Entries: []wire.PackEntry{{Name: "a", Hash: "h"}, {Name: "b", Data: []byte("x")}}}},
	} {
		asked = append(asked, o.op.String()+" "+hex.EncodeToString(o.m.Append(nil)))
	}
	if diff := cmp.Diff(asked, h.asked); diff != "" {
		t.Error(diff)
	}
	var res wire.HTTPResponse
	mustCall(t, i, hostapi.OpHTTP, &wire.HTTPRequest{Route: "pieces"}, &res)
	want := []wire.Part{
		{Data: []byte("node http://a")}, {Blob: &wire.BlobPart{Hash: "h", Offset: 3, Length: 4}},
		{Blob: &wire.BlobPart{Hash: "h", Offset: 5}}, {Blob: &wire.BlobPart{Hash: "h", FileName: "n.txt"}},
	}
	if diff := cmp.Diff(want, res.Parts); diff != "" {
		t.Error(diff)
	}
}
