package main

import (
	"hash/fnv"
	"path"
	"strconv"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// manifestName is where clients look for what is in a data package.
const manifestName = "MANIFEST/manifest.xml"

// packageType is the content type that ATAK gives data packages.
const packageType = "application/x-zip-compressed"

// bundle is a data package that is being made. The manifest is written last and stands
// first in the archive (spec/fts-datapackage.md 6): clients import entries of .cot as
// events, and hand the others to what reads them.
type bundle struct {
	uid, name, remarks string
	onImport, onDelete bool // a client imports it when it has come; and then deletes the archive

	contents []content
	entries  []sdk.PackEntry
	bytes    int64
	taken    map[string]bool // names in lower case, as not all systems tell case
}

// content is an entry as the manifest has it.
type content struct {
	entry, uid, name, contentType string
	cot                           bool
}

// Bounds of a package that is made here.
const (
	mostEvents     = 300
	mostFiles      = 150       // to look for one costs up to four operations of the host, of which a call has a thousand
	mostEventBytes = 4 << 20   // of all events, which pass the plugin
	mostBytes      = 400 << 20 // of all files, which the host reads while the caller waits
)

// addEvent puts an event into the package.
func (b *bundle) addEvent(uid, name, xml string) {
	folder := segment(uid)
	e := b.unique(folder, folder+".cot")
	data := []byte(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + xml)
	b.entries = append(b.entries, sdk.PackEntry{Name: e, Data: data})
	b.contents = append(b.contents, content{entry: e, uid: uid, name: name, cot: true})
	b.bytes += int64(len(data))
}

// addFile puts a file into the package. Its entry has no uid: a client would take it for
// an attachment of the event with that uid.
func (b *bundle) addFile(hash, name, contentType string, size int64) {
	e := b.unique(hash, segment(name))
	b.entries = append(b.entries, sdk.PackEntry{Name: e, Hash: hash})
	b.contents = append(b.contents, content{entry: e, name: name, contentType: contentType})
	b.bytes += size
}

// unique gives the name of an entry that is not there yet.
func (b *bundle) unique(folder, name string) string {
	if b.taken == nil {
		b.taken = map[string]bool{}
	}
	ext := path.Ext(name)
	stem := strings.TrimSuffix(name, ext)
	for n := 2; ; n++ {
		e := folder + "/" + name
		if key := strings.ToLower(e); !b.taken[key] {
			b.taken[key] = true
			return e
		}
		name = stem + "-" + strconv.Itoa(n) + ext
	}
}

// manifest writes MANIFEST/manifest.xml.
func (b *bundle) manifest() ([]byte, error) {
	var x sdk.XML
	parameter := func(name, value string) {
		if value != "" {
			x.Start("Parameter").Attr("name", name).Attr("value", value).End()
		}
	}
	x.Header().Start("MissionPackageManifest").Attr("version", "2").Start("Configuration")
	parameter("uid", b.uid)
	parameter("name", b.name)
	parameter("remarks", b.remarks)
	parameter("onReceiveImport", strconv.FormatBool(b.onImport))
	parameter("onReceiveDelete", strconv.FormatBool(b.onDelete))
	x.End().Start("Contents")
	for _, c := range b.contents {
		x.Start("Content").Attr("ignore", "false").Attr("zipEntry", c.entry)
		parameter("uid", c.uid)
		parameter("name", c.name)
		if c.cot {
			parameter("isCOT", "true")
		}
		parameter("contentType", c.contentType)
		x.End()
	}
	x.End().End()
	return x.Bytes(), x.Err()
}

// pack makes the archive. The same contents make the same archive: its uid is drawn
// from them if nobody gave one.
func (b *bundle) pack(c *sdk.Call, fileName string) (sdk.BlobRef, error) {
	if b.bytes > mostBytes {
		return sdk.BlobRef{}, sdk.Limitf("the contents have %d bytes together, a package may have %d", b.bytes, int64(mostBytes))
	}
	if b.uid == "" {
		b.uid = b.drawUID()
	}
	manifest, err := b.manifest()
	if err != nil {
		return sdk.BlobRef{}, err
	}
	return c.Blobs().Pack(fileName, append([]sdk.PackEntry{{Name: manifestName, Data: manifest}}, b.entries...)...)
}

// drawUID gives a UUID (version 8) that is the same for the same contents.
func (b *bundle) drawUID() string {
	h := fnv.New128a()
	for _, s := range []string{b.name, b.remarks, strconv.FormatBool(b.onImport), strconv.FormatBool(b.onDelete)} {
		h.Write([]byte(strconv.Quote(s)))
	}
	for i := range b.entries {
		e := &b.entries[i]
		h.Write([]byte(strconv.Quote(e.Name) + strconv.Quote(e.Hash) + strconv.Itoa(len(e.Data)) + " "))
		h.Write(e.Data)
	}
	sum := h.Sum(nil)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 36)
	for i, v := range sum {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			out = append(out, '-')
		}
		out = append(out, digits[v>>4], digits[v&15])
	}
	return string(out)
}

// asFile is the package as a file that its maker sent. The name ends as clients expect.
func (b *bundle) asFile(c *sdk.Call) (*file, error) {
	name := cleanName(b.name)
	if !strings.HasSuffix(strings.ToLower(name), ".zip") {
		name = clip(name, maxText-len(".zip")) + ".zip"
	}
	ref, err := b.pack(c, name)
	if err != nil {
		return nil, err
	}
	return &file{
		hash: ref.Hash, size: ref.Size, uid: b.uid, name: name, mime: packageType, added: c.Now(),
		keywords: []string{packageKeyword}, creator: c.Caller().Client, remarks: b.remarks,
	}, nil
}
