package plugintest

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"path"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// blob is a file of the store.
type blob struct {
	ref     sdk.BlobRef
	content []byte
}

// blobOwner keeps a file.
type blobOwner struct{ owner, hash string }

// File gives the content of a file, and whether it is there.
func (k *Kit) File(hash string) ([]byte, bool) {
	f, ok := k.files[hash]
	return slices.Clone(f.content), ok
}

// PutFile writes a file past the plugin, as an upload does, and gives its hash.
func (k *Kit) PutFile(name, contentType string, content []byte) (hash string) {
	return k.putFile(name, contentType, content).Hash
}

// Kept gives the hashes of what an owner of the plugin keeps, as it is committed, in
// their order.
func (k *Kit) Kept(owner string) []string { return k.state.keptBy(owner) }

func (s *state) keptBy(owner string) []string {
	list := []string{}
	for o := range s.kept {
		if o.owner == owner {
			list = append(list, o.hash)
		}
	}
	slices.Sort(list)
	return list
}

func (k *Kit) putFile(name, contentType string, content []byte) sdk.BlobRef {
	h := sha256.Sum256(content)
	f := blob{sdk.BlobRef{Hash: hex.EncodeToString(h[:]), Size: int64(len(content)), ContentType: contentType, Name: name}, slices.Clone(content)}
	k.files[f.ref.Hash] = f
	return f.ref
}

func (k *Kit) file(op hostapi.HostOp, hash string) (blob, error) {
	if b, err := hex.DecodeString(hash); err != nil || len(b) != sha256.Size || hash != strings.ToLower(hash) {
		return blob{}, errf(hostapi.Invalid, "%v: %q is no SHA-256 in lower-case hexadecimal digits", op, hash)
	}
	f, ok := k.files[hash]
	if !ok {
		return blob{}, errf(hostapi.NotFound, "%v: there is no file %s", op, hash)
	}
	return f, nil
}

// piece gives what a part of an answer is of a file.
func (k *Kit) piece(p *wire.BlobPart) ([]byte, error) {
	f, ok := k.files[p.Hash]
	switch {
	case !ok:
		return nil, errf(hostapi.NotFound, "there is no file %s", p.Hash)
	case p.Offset < 0 || p.Length < 0:
		return nil, errf(hostapi.Invalid, "the answer is %d bytes of a file from %d on: neither can be below zero", p.Length, p.Offset)
	case p.Offset > f.ref.Size:
		return nil, errf(hostapi.Invalid, "the file has %d bytes: there are none from %d on", f.ref.Size, p.Offset)
	}
	rest := f.content[p.Offset:]
	if p.Length > 0 && p.Length < int64(len(rest)) {
		rest = rest[:p.Length]
	}
	return rest, nil
}

// upload brings a body to the store, as the server does with that of a route whose
// body is blob.
func (k *Kit) upload(m *wire.HTTPRequest, body string) error {
	kind, params, err := mime.ParseMediaType(m.ContentType)
	if err != nil || !strings.HasPrefix(kind, "multipart/") || params["boundary"] == "" {
		m.Blobs = []sdk.BlobRef{k.putFile("", m.ContentType, []byte(body))}
		return nil
	}
	form := multipart.NewReader(strings.NewReader(body), params["boundary"])
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errf(hostapi.Invalid, "body: it is no multipart form: %v", err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return errf(hostapi.Invalid, "body: it is no multipart form: %v", err)
		}
		typ := part.Header.Get("Content-Type")
		if part.FileName() == "" && part.FormName() != "" && (typ == "" || strings.HasPrefix(typ, "text/plain")) {
			m.Form = append(m.Form, sdk.Pair{Name: part.FormName(), Value: string(content)})
			continue
		}
		name := part.FileName()
		if name == "" {
			name = part.FormName()
		}
		m.Blobs = append(m.Blobs, k.putFile(name, typ, content))
	}
}

func (w *work) blobs(op hostapi.HostOp, in, dst []byte) ([]byte, error) {
	switch op {
	case hostapi.HostBlobPut:
		var m wire.BlobPut
		if err := decode(op, in, &m); err != nil {
			return nil, err
		}
		if len(m.Data) > hostapi.MaxBlobInline {
			return nil, errf(hostapi.Limit, "%v: %d bytes, at most %d are possible", op, len(m.Data), hostapi.MaxBlobInline)
		}
		return appendRef(dst, w.k.putFile(m.Name, m.ContentType, m.Data)), nil
	case hostapi.HostBlobRead:
		return w.readFile(in, dst)
	case hostapi.HostBlobStat:
		var m wire.BlobRef
		if err := decode(op, in, &m); err != nil {
			return nil, err
		}
		f, err := w.k.file(op, m.Hash)
		return appendRef(dst, f.ref), err
	case hostapi.HostBlobList:
		var m wire.BlobOwner
		if err := decode(op, in, &m); err != nil {
			return nil, err
		}
		var refs wire.BlobRefs
		for _, hash := range w.state.keptBy(m.Owner) {
			refs.Blobs = append(refs.Blobs, w.k.files[hash].ref)
		}
		return refs.Append(dst), nil
	case hostapi.HostBlobKeep, hostapi.HostBlobRelease:
		return dst, w.keepFile(op, in)
	case hostapi.HostBlobZipList, hostapi.HostBlobZipEntry:
		return w.unzip(op, in, dst)
	case hostapi.HostBlobPack:
		return w.pack(in, dst)
	}
	return nil, errf(hostapi.Unsupported, "%v is not played by plugintest", op)
}

func appendRef(dst []byte, r sdk.BlobRef) []byte { return r.Append(dst) }

func (w *work) readFile(in, dst []byte) ([]byte, error) {
	const op = hostapi.HostBlobRead
	var m wire.BlobRead
	if err := decode(op, in, &m); err != nil {
		return nil, err
	}
	f, err := w.k.file(op, m.Hash)
	switch {
	case err != nil:
		return nil, err
	case m.Length > hostapi.MaxBlobRead:
		return nil, errf(hostapi.Limit, "%v: %d bytes, at most %d are possible", op, m.Length, hostapi.MaxBlobRead)
	case m.Offset < 0:
		return nil, errf(hostapi.Invalid, "%v: the offset %d is below zero", op, m.Offset)
	}
	from := min(m.Offset, f.ref.Size)
	return append(dst, f.content[from:min(from+int64(m.Length), f.ref.Size)]...), nil
}

func (w *work) keepFile(op hostapi.HostOp, in []byte) error {
	var m wire.BlobKeep
	if err := decode(op, in, &m); err != nil {
		return err
	}
	if err := w.stage(op); err != nil {
		return err
	}
	if m.Owner == "" || len(m.Owner) > 512 {
		return errf(hostapi.Invalid, "%v: an owner has 1 to 512 bytes", op)
	}
	k := blobOwner{strings.Clone(m.Owner), strings.Clone(m.Hash)}
	if op == hostapi.HostBlobRelease {
		delete(w.state.kept, k)
		return nil
	}
	if _, err := w.k.file(op, m.Hash); err != nil {
		return err
	}
	after := maps.Clone(w.state.kept)
	after[k] = true
	bytes, seen := int64(0), map[string]bool{}
	for o := range after {
		if !seen[o.hash] {
			seen[o.hash] = true
			bytes += w.k.files[o.hash].ref.Size
		}
	}
	if most := w.k.grants[hostapi.CapBlobs].Bytes; most > 0 && bytes > most {
		return errf(hostapi.Limit, "%v: the files would have %d bytes, %d are granted", op, bytes, most)
	}
	w.state.kept = after
	return nil
}

// unzip lists an archive or takes a file out of it. It refuses what the server
// refuses, but for bombs.
func (w *work) unzip(op hostapi.HostOp, in, dst []byte) ([]byte, error) {
	var m wire.ZipEntryRequest // a BlobRef has the hash in the same place
	if op == hostapi.HostBlobZipList {
		var ref wire.BlobRef
		if err := decode(op, in, &ref); err != nil {
			return nil, err
		}
		m.Hash = ref.Hash
	} else if err := decode(op, in, &m); err != nil {
		return nil, err
	}
	f, err := w.k.file(op, m.Hash)
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(f.content), f.ref.Size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, &sdk.Error{Status: hostapi.Invalid, Code: "broken", Message: op.String() + ": zip archive: it is broken, or none"}
	}
	var list wire.ZipEntries
	var found *zip.File
	seen := map[string]bool{}
	for _, e := range z.File {
		e.Name = strings.ReplaceAll(e.Name, `\`, "/")
		if bad := badName(strings.TrimSuffix(e.Name, "/"), seen); bad != "" {
			return nil, &sdk.Error{Status: hostapi.Invalid, Code: "unsafe", Message: op.String() + ": zip archive: " + bad}
		}
		if strings.HasSuffix(e.Name, "/") {
			continue
		}
		list.Entries = append(list.Entries, wire.ZipEntry{Name: e.Name, Size: int64(e.UncompressedSize64)})
		if e.Name == m.Name {
			found = e
		}
	}
	if op == hostapi.HostBlobZipList {
		return list.Append(dst), nil
	}
	if found == nil {
		return nil, &sdk.Error{Status: hostapi.NotFound, Code: "not_found", Message: op.String() + ": there is no " + m.Name + " in it"}
	}
	r, err := found.Open()
	if err != nil {
		return nil, errf(hostapi.Invalid, "%v: %v", op, err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		return nil, errf(hostapi.Invalid, "%v: %v", op, err)
	}
	return appendRef(dst, w.k.putFile(path.Base(m.Name), "", content)), nil
}

func badName(name string, seen map[string]bool) string {
	switch {
	case name == "" || path.IsAbs(name) || strings.Contains(name, `\`) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../"):
		return "the name " + name + " leads elsewhere"
	case seen[name]:
		return name + " is there twice"
	}
	seen[name] = true
	return ""
}

func (w *work) pack(in, dst []byte) ([]byte, error) {
	const op = hostapi.HostBlobPack
	var m wire.BlobPack
	if err := decode(op, in, &m); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	seen := map[string]bool{}
	for _, e := range m.Entries {
		if bad := badName(e.Name, seen); bad != "" {
			return nil, &sdk.Error{Status: hostapi.Invalid, Code: "unsafe", Message: op.String() + ": zip archive: " + bad}
		}
		content := e.Data
		if e.Hash != "" {
			if len(e.Data) > 0 {
				return nil, errf(hostapi.Invalid, "%v: %s is a file of the store and bytes at once", op, e.Name)
			}
			f, err := w.k.file(op, e.Hash)
			if err != nil {
				return nil, err
			}
			content = f.content
		}
		to, err := z.Create(e.Name)
		if err == nil {
			_, err = to.Write(content)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return appendRef(dst, w.k.putFile(m.Name, "application/zip", b.Bytes())), nil
}
