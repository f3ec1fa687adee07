package main

import (
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
)

// mostManifest bounds the manifest of a data package, in bytes. That of the largest real
// one that we know has 40,000.
const mostManifest = 1 << 20

// opened is a data package as far as it tells of itself.
type opened struct {
	entries []sdk.ZipEntry
	said    []said
}

// said is what the manifest says of an entry (spec/fts-datapackage.md 6).
type said struct {
	entry, uid, name, contentType string
	cot, there                    bool
}

// checkPackage refuses what is no data package. Contents that the manifest names and the
// archive does not have are let be: clients pass them over.
func checkPackage(c *sdk.Call, hash string) error {
	p, err := openPackage(c, hash)
	if err != nil {
		return err
	}
	for i := range p.said {
		if !p.said[i].there {
			c.Log().Warn("a data package lacks what its manifest names", "hash", hash, "entry", shown(p.said[i].entry))
			break
		}
	}
	return nil
}

// openPackage reads the list and the manifest of a data package. The host has looked for
// bombs, links and names that lead elsewhere when it lists the archive. The manifest lies
// in MANIFEST or, as some tools have it, above it all.
func openPackage(c *sdk.Call, hash string) (*opened, error) {
	entries, err := c.Blobs().ZipList(hash)
	if err != nil {
		return nil, noPackage(err, hostapi.HostBlobZipList)
	}
	p := &opened{entries: entries}
	at := slices.IndexFunc(entries, func(e sdk.ZipEntry) bool { return strings.EqualFold(e.Name, manifestName) })
	if at < 0 {
		at = slices.IndexFunc(entries, func(e sdk.ZipEntry) bool { return strings.EqualFold(e.Name, "manifest.xml") })
	}
	if at < 0 {
		return nil, sdk.Invalidf("this is no data package: it has no %s", manifestName)
	}
	if entries[at].Size > mostManifest {
		return nil, sdk.Invalidf("this is no data package: its manifest has %d bytes, at most %d are possible", entries[at].Size, mostManifest)
	}
	ref, err := c.Blobs().ZipEntry(hash, entries[at].Name)
	if err != nil {
		return nil, noPackage(err, hostapi.HostBlobZipEntry)
	}
	text := make([]byte, 0, ref.Size)
	for int64(len(text)) < ref.Size {
		b, err := c.Blobs().Read(ref.Hash, int64(len(text)), hostapi.MaxBlobRead)
		if err != nil {
			return nil, err
		}
		if len(b) == 0 {
			break
		}
		text = append(text, b...)
	}
	return p, p.read(string(text))
}

// noPackage gives the host's reason why an archive is refused.
func noPackage(err error, op hostapi.HostOp) error {
	if sdk.Is(err, sdk.Invalid) {
		return sdk.Invalidf("this is no data package: %s", strings.TrimPrefix(err.Error(), op.String()+": "))
	}
	return err
}

// read takes over what the manifest says.
func (p *opened) read(manifest string) error {
	root, err := sdk.ParseXML(strings.TrimPrefix(manifest, "\ufeff"))
	if err != nil {
		return sdk.Invalidf("this is no data package: its manifest cannot be read: %s", strings.TrimPrefix(err.Error(), "read XML: "))
	}
	if name := root.Node().Name(); name != "MissionPackageManifest" {
		return sdk.Invalidf("this is no data package: its manifest is a %s, not a MissionPackageManifest", shown(name))
	}
	there := make(map[string]bool, len(p.entries))
	for i := range p.entries {
		there[p.entries[i].Name] = true
	}
	for c := range root.Node().Child("Contents").Children() {
		entry, ok := c.Attr("zipEntry")
		if !ok || c.Name() != "Content" {
			continue
		}
		s := said{entry: strings.ReplaceAll(entry, `\`, "/")} // FreeTAKServer's
		s.there = there[s.entry]
		for o := range c.Children() {
			name, _ := o.Attr("name")
			value, _ := o.Attr("value")
			switch strings.ToLower(name) {
			case "uid":
				s.uid = value
			case "name":
				s.name = value
			case "contenttype":
				s.contentType = value
			case "iscot":
				s.cot = strings.EqualFold(value, "true")
			}
		}
		p.said = append(p.said, s)
	}
	return nil
}

// write writes what is in the package: the files of the archive with what the manifest
// says of them, and those that are missing.
func (p *opened) write(j *sdk.JSON) {
	of := make(map[string]*said, len(p.said))
	for i := range p.said {
		of[p.said[i].entry] = &p.said[i]
	}
	size := 0
	j.Key("contents").Array()
	for i := range p.entries {
		e := &p.entries[i]
		if size += len(e.Name) + 40; size > mostAnswer {
			break
		}
		j.Object().Key("name").Text(e.Name).Key("size").Int(e.Size)
		if s := of[e.Name]; s != nil {
			for _, t := range [...]struct{ name, value string }{{"title", s.name}, {"contentType", s.contentType}, {"uid", s.uid}} {
				if t.value != "" {
					size += len(t.value) + 20
					j.Key(t.name).Text(clip(t.value, maxText))
				}
			}
			if s.cot || strings.HasSuffix(strings.ToLower(e.Name), ".cot") {
				j.Key("isCOT").Bool(true)
			}
		}
		j.End()
	}
	j.End()
	var missing []string
	for i := range p.said {
		if !p.said[i].there && len(missing) < maxList {
			missing = append(missing, clip(p.said[i].entry, maxText))
		}
	}
	if len(missing) > 0 {
		j.Key("missing").Texts(missing)
	}
}
