package onboard

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// entry is one file of a zip.
type entry struct {
	name string
	data []byte
}

// stamp is the time of all files in a zip, so that equal input gives equal bytes.
var stamp = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// mark is the space of the uids that are made of a package's content.
var mark = uuid.MustParse("5f3b3d0e-2c1b-4e0a-9d55-6f7c1a2b9e10")

// manifest makes the XML that tells clients of a package (version 2). The uid
// comes from the content: a client that gets the same package again replaces the
// one it has.
func manifest(name string, params [][2]string, files []entry) []byte {
	names := make([]string, len(files))
	for i := range files {
		names[i] = files[i].name
	}
	return manifestOf(uidOf(name, files), name, params, names)
}

func manifestOf(uid, name string, params [][2]string, entries []string) []byte {
	var b bytes.Buffer
	b.WriteString("<MissionPackageManifest version=\"2\">\n  <Configuration>\n")
	for _, p := range append([][2]string{{"uid", uid}, {"name", name}}, params...) {
		b.WriteString(`    <Parameter name="` + escape(p[0]) + `" value="` + escape(p[1]) + "\"/>\n")
	}
	b.WriteString("  </Configuration>\n  <Contents>\n")
	for _, e := range entries {
		b.WriteString(`    <Content ignore="false" zipEntry="` + escape(e) + "\"/>\n")
	}
	b.WriteString("  </Contents>\n</MissionPackageManifest>\n")
	return b.Bytes()
}

func uidOf(name string, files []entry) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q", name) // a hash takes all
	for _, f := range files {
		_, _ = fmt.Fprintf(h, "%q %d ", f.name, len(f.data))
		_, _ = h.Write(f.data)
	}
	return uuid.NewSHA1(mark, h.Sum(nil)).String()
}

// pack makes the zip. All files are deflated: Java's stream reader refuses
// stored ones whose size comes after the data.
func pack(files []entry) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: stamp})
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return b.Bytes(), nil
}
