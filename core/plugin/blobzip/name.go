package blobzip

import (
	"archive/zip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// name gives the name of a file, or of a folder without the / at its end, when it
// is one that leads nowhere else, on any system.
func (l *Limits) name(f *zip.File) (name string, folder bool, err error) {
	name = f.Name
	if !utf8.ValidString(name) {
		// Without the mark for UTF-8, names are in the code page of the first PCs.
		if name, err = charmap.CodePage437.NewDecoder().String(name); err != nil {
			return "", false, refuse(Unsafe, "a name is in no known encoding")
		}
	}
	name, folder = strings.CutSuffix(name, "/")
	return name, folder, l.CheckName(name)
}

// CheckName says why a file of an archive cannot have that name, if so.
func (l *Limits) CheckName(name string) error {
	switch {
	case name == "":
		return refuse(Unsafe, "a file has no name")
	case len(name) > l.Name:
		return refuse(Unsafe, "a name has more than %d bytes", l.Name)
	case !utf8.ValidString(name):
		return refuse(Unsafe, "the name %s is not in UTF-8", show(name))
	case strings.ContainsFunc(name, unicode.IsControl):
		return refuse(Unsafe, "the name %s has control characters", show(name))
	case strings.Contains(name, `\`):
		return refuse(Unsafe, `the name %s has a \: folders are parted by /`, show(name))
	case name[0] == '/':
		return refuse(Unsafe, "the name %s is no relative one", show(name))
	case len(name) > 1 && name[1] == ':':
		return refuse(Unsafe, "the name %s is that of a drive", show(name))
	}
	parts := strings.Split(name, "/")
	if len(parts) > l.Depth+1 {
		return refuse(Unsafe, "the name %s is %d folders deep, %d are allowed", show(name), len(parts)-1, l.Depth)
	}
	for _, p := range parts {
		switch p {
		case "", ".", "..":
			return refuse(Unsafe, "the name %s has the part %q", show(name), p)
		}
	}
	return nil
}

func parent(name string) string {
	i := strings.LastIndexByte(name, '/')
	return name[:max(i, 0)]
}

// show quotes a name for a message.
func show(name string) string {
	if len(name) > 80 {
		name = name[:80] + "…"
	}
	return strconv.Quote(name)
}
