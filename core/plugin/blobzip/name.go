package blobzip

import (
	"archive/zip"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/takhost/takhost/core/filename"
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
	name, folder = strings.CutSuffix(slashed(name), "/")
	return name, folder, l.CheckName(name)
}

// slashed parts folders by /, as the format wants it. FreeTAKServer writes
// MANIFEST\manifest.xml (spec/fts-datapackage.md 6), and so do old .NET programs.
func slashed(name string) string { return strings.ReplaceAll(name, `\`, "/") }

// CheckName says why a file of an archive cannot have that name, if so.
func (l *Limits) CheckName(name string) error {
	switch {
	case name == "":
		return refuse(Unsafe, "a file has no name")
	case len(name) > l.Name:
		return refuse(Unsafe, "a name has more than %d bytes", l.Name)
	case name[0] == '/':
		return refuse(Unsafe, "the name %s is no relative one", show(name))
	case len(name) > 1 && name[1] == ':':
		return refuse(Unsafe, "the name %s is that of a drive", show(name))
	}
	if n := strings.Count(name, "/"); n > l.Depth {
		return refuse(Unsafe, "the name %s is %d folders deep, %d are allowed", show(name), n, l.Depth)
	}
	for part := range strings.SplitSeq(name, "/") {
		if fault := filename.CheckPart(part); fault != "" {
			return refuse(Unsafe, "the name %s %s", show(name), fault)
		}
	}
	return nil
}

// nameSet finds names that would be one file, or a file and a folder, where an
// archive is unpacked; on Windows and phones case does not count.
type nameSet struct {
	files   map[string]string // folded → as it is
	folders map[string]bool   // folded
}

func newNameSet(n int) *nameSet {
	return &nameSet{files: make(map[string]string, n), folders: map[string]bool{}}
}

func (s *nameSet) add(name string) error {
	key := filename.Fold(name)
	if old, ok := s.files[key]; ok {
		if old == name {
			return refuse(Unsafe, "%s is there twice", show(name))
		}
		return refuse(Unsafe, "%s and %s differ by case alone", show(old), show(name))
	}
	s.files[key] = name
	s.addFolders(parent(key))
	return nil
}

// addFolder takes the folder's own name.
func (s *nameSet) addFolder(name string) { s.addFolders(filename.Fold(name)) }

func (s *nameSet) addFolders(key string) {
	for ; key != "" && !s.folders[key]; key = parent(key) {
		s.folders[key] = true
	}
}

// check says whether something is a file and a folder; it goes when all are added.
func (s *nameSet) check() error {
	for key := range s.folders {
		if name, ok := s.files[key]; ok {
			return refuse(Unsafe, "%s is a file and a folder", show(name))
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
