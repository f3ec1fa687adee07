package sdk

import (
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Messages about blobs.
type (
	ZipEntry  = wire.ZipEntry
	PackEntry = wire.PackEntry
)

// Blobs are files, whose bytes stay with the host: uploads to routes with body blob
// come as BlobRefs, answers are made of them by Response.Blob. A file is known by
// its SHA-256 in lower-case hexadecimal digits. Whoever has the hash may read it,
// so ask who the caller is before a hash that he sent is used.
//
// Writing one is not staged, keeping one is. A file that nobody keeps is removed an
// hour after it was written or given up; sooner when the server needs the room, yet
// not within a minute of the end of the call that wrote it. With a call that fails,
// and with a request answered with 400 or above, it goes at once.
type Blobs struct{ call *Call }

// Blobs gives the way to files.
func (c *Call) Blobs() Blobs { return Blobs{c} }

// Put writes a file of up to 1 MiB.
func (b Blobs) Put(name, contentType string, data []byte) (BlobRef, error) {
	m := wire.BlobPut{Data: data, ContentType: contentType, Name: name}
	return b.ref(hostapi.HostBlobPut, m.Append)
}

// Read reads up to length bytes, 256 KiB at most, from an offset on; fewer at the
// end of the file. They are good as long as the call.
func (b Blobs) Read(hash string, offset int64, length int) ([]byte, error) {
	if length < 0 {
		return nil, Errorf(Invalid, "read a file: %d bytes", length)
	}
	m := wire.BlobRead{Hash: hash, Offset: offset, Length: uint32(min(length, hostapi.MaxBlobRead+1))}
	return b.call.ask(hostapi.HostBlobRead, m.Append)
}

// Stat tells about a file. When there is none the error has the status NotFound.
func (b Blobs) Stat(hash string) (BlobRef, error) {
	m := wire.BlobRef{Hash: hash}
	return b.ref(hostapi.HostBlobStat, m.Append)
}

// Keep makes a file stay until Release, for an owner, which is any text of the
// plugin's, such as the id of a document. Twice is as good as once.
func (b Blobs) Keep(hash, owner string) error {
	m := wire.BlobKeep{Hash: hash, Owner: owner}
	return b.call.tell(hostapi.HostBlobKeep, m.Append)
}

// Release gives a file up for an owner, if it keeps it.
func (b Blobs) Release(hash, owner string) error {
	m := wire.BlobKeep{Hash: hash, Owner: owner}
	return b.call.tell(hostapi.HostBlobRelease, m.Append)
}

// Kept gives what an owner keeps, 1,000 files at most.
func (b Blobs) Kept(owner string) ([]BlobRef, error) {
	m := wire.BlobOwner{Owner: owner}
	answer, err := b.call.ask(hostapi.HostBlobList, m.Append)
	if err != nil {
		return nil, err
	}
	var refs wire.BlobRefs
	err = badAnswer(hostapi.HostBlobList, refs.Decode(answer))
	return refs.Blobs, err
}

// ZipList gives the files of a zip archive. One that is broken, encrypted, a bomb, or
// has names that lead elsewhere is refused as Invalid, with a message for people. In
// names, \ stands as /.
func (b Blobs) ZipList(hash string) ([]ZipEntry, error) {
	m := wire.BlobRef{Hash: hash}
	answer, err := b.call.ask(hostapi.HostBlobZipList, m.Append)
	if err != nil {
		return nil, err
	}
	var list wire.ZipEntries
	err = badAnswer(hostapi.HostBlobZipList, list.Decode(answer))
	return list.Entries, err
}

// ZipEntry makes a file of a zip archive a blob.
func (b Blobs) ZipEntry(hash, name string) (BlobRef, error) {
	m := wire.ZipEntryRequest{Hash: hash, Name: name}
	return b.ref(hostapi.HostBlobZipEntry, m.Append)
}

// Pack makes a zip archive, of blobs and bytes. The same entries give the same
// archive.
func (b Blobs) Pack(name string, entries ...PackEntry) (BlobRef, error) {
	m := wire.BlobPack{Entries: entries, Name: name}
	return b.ref(hostapi.HostBlobPack, m.Append)
}

func (b Blobs) ref(op hostapi.HostOp, write func([]byte) []byte) (ref BlobRef, err error) {
	answer, err := b.call.ask(op, write)
	if err != nil {
		return ref, err
	}
	err = badAnswer(op, ref.Decode(answer))
	return ref, err
}
