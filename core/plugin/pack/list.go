package pack

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/takhost/takhost/hostapi/manifest"
)

// listArchive gives the files of an archive, or what is wrong with one of them.
func listArchive(z *zip.Reader) ([]file, error) {
	if len(z.File) > MaxFiles {
		return nil, fmt.Errorf("has %d files and folders: at most %d", len(z.File), MaxFiles)
	}
	names := newNames()
	var list []file
	var sum uint64
	for _, f := range z.File {
		name, isFolder := strings.CutSuffix(f.Name, "/")
		if err := names.add(name, isFolder); err != nil {
			return nil, err
		}
		mode := f.Mode()
		switch {
		case isFolder && mode.IsDir():
			continue
		case !mode.IsRegular():
			return nil, fmt.Errorf("%s is no plain file: links and devices cannot be packed", show(name))
		case f.Flags&1 != 0:
			return nil, fmt.Errorf("%s is encrypted: pack it without a password", show(name))
		case f.Method != zip.Store && f.Method != zip.Deflate:
			return nil, fmt.Errorf("%s is compressed by method %d: use deflate, which every zip program has", show(name), f.Method)
		}
		// Reading a file ends with an error when it has more bytes than this.
		if f.UncompressedSize64 > MaxUnpacked {
			return nil, fmt.Errorf("%s would have more than %s", show(name), bytesText(MaxUnpacked))
		}
		if sum += f.UncompressedSize64; sum > MaxUnpacked {
			return nil, fmt.Errorf("its files would have more than %s", bytesText(MaxUnpacked))
		}
		list = append(list, file{name: name, size: int64(f.UncompressedSize64), exec: mode&0o111 != 0})
	}
	slices.SortFunc(list, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// listFolder gives the files of a folder that make up the package, which is
// often a project with much beside it.
func listFolder(all fs.FS, m *manifest.Manifest) ([]file, error) {
	names := newNames()
	var list []file
	var sum int64
	err := fs.WalkDir(all, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", show(name), withoutPath(err))
		}
		if name == "." {
			return nil
		}
		if d.IsDir() {
			if !wantFolder(m, name) {
				return fs.SkipDir
			}
			return names.add(name, true)
		}
		if !wantFile(m, name) {
			return nil
		}
		if err := names.add(name, false); err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("%s: %w", show(name), withoutPath(err))
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no plain file: links and devices cannot be packed", show(name))
		}
		if sum += info.Size(); sum > MaxUnpacked {
			return fmt.Errorf("its files have more than %s", bytesText(MaxUnpacked))
		}
		list = append(list, file{name: name, size: info.Size(), exec: info.Mode()&0o111 != 0 || name == m.Entry && m.Runtime == "process"})
		return nil
	})
	slices.SortFunc(list, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return list, err
}

// Folders and files of a project that are no part of the plugin.
var (
	leaveFolders = []string{"vendor", "node_modules", "target", "testdata", "__pycache__"}
	leaveEnds    = []string{Ext, ".go", ".pyc", "go.mod", "go.sum", "~"}
	keepBegins   = []string{"LICENSE", "LICENCE", "NOTICE", "README", "CHANGE"}
)

// wantFolder says whether something of a folder may be packed.
func wantFolder(m *manifest.Manifest, name string) bool {
	if strings.HasPrefix(path.Base(name), ".") {
		return false
	}
	if inStatic(m, name+"/") || strings.HasPrefix(m.Entry, name+"/") || m.Static != nil && strings.HasPrefix(m.Static.Folder, name+"/") {
		return true
	}
	return m.Runtime == "process" && !slices.Contains(leaveFolders, path.Base(name))
}

// wantFile says whether a file is packed: with a WASM plugin the manifest, the
// module, static files and what tells people about it. A program may have
// anything beside it that it needs.
func wantFile(m *manifest.Manifest, name string) bool {
	base := path.Base(name)
	if name == manifest.FileName || name == m.Entry {
		return true
	}
	if strings.HasPrefix(base, ".") {
		return false
	}
	if inStatic(m, name) {
		return true
	}
	if m.Runtime == "process" {
		return !slices.ContainsFunc(leaveEnds, func(end string) bool { return strings.HasSuffix(base, end) })
	}
	return base == name && slices.ContainsFunc(keepBegins, func(begin string) bool { return strings.HasPrefix(strings.ToUpper(base), begin) })
}

func inStatic(m *manifest.Manifest, name string) bool {
	return m.Static != nil && strings.HasPrefix(name, strings.TrimSuffix(m.Static.Folder, "/")+"/")
}

// names refuses names that mean something else, or the same, on some system.
type names struct {
	files, folders map[string]string // by lower-case name
	count          int
}

func newNames() *names { return &names{files: map[string]string{}, folders: map[string]string{}} }

func (n *names) add(name string, isFolder bool) error {
	if n.count++; n.count > MaxFiles {
		return fmt.Errorf("has more than %d files and folders", MaxFiles)
	}
	if why := badName(name); why != "" {
		return fmt.Errorf("the name %s %s", show(name), why)
	}
	key := strings.ToLower(name)
	if isFolder {
		n.folders[key] = name
	} else {
		if first, twice := n.files[key]; twice {
			if first == name {
				return fmt.Errorf("%s is there twice", show(name))
			}
			return fmt.Errorf("%s and %s are the same file where case does not count", show(first), show(name))
		}
		n.files[key] = name
	}
	for dir := path.Dir(key); dir != "."; dir = path.Dir(dir) {
		n.folders[dir] = dir
	}
	// Whichever of the two came first.
	for dir := key; dir != "."; dir = path.Dir(dir) {
		if _, also := n.folders[dir]; also && n.files[dir] != "" {
			return fmt.Errorf("%s is both a file and a folder", show(n.files[dir]))
		}
	}
	return nil
}

// devices are names that Windows takes for something else, with any ending.
var devices = []string{"con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9"}

func badName(name string) string {
	switch {
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case len(name) > maxName:
		return fmt.Sprintf("is too long: at most %d bytes", maxName)
	case strings.Count(name, "/") >= maxDepth:
		return fmt.Sprintf("has too many folders: at most %d inside one another", maxDepth)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`\:*?"<>|`, r) }):
		return `has a character that some systems do not allow in names: \ : * ? " < > | and control characters`
	case !fs.ValidPath(name) || name == ".":
		return "leads out of the package: names are such as static/index.html"
	}
	for part := range strings.SplitSeq(name, "/") {
		stem, _, _ := strings.Cut(strings.ToLower(part), ".")
		switch {
		case strings.HasSuffix(part, ".") || strings.HasSuffix(part, " "):
			return "ends in a dot or a space, which some systems take away"
		case slices.Contains(devices, strings.TrimSpace(stem)):
			return "is that of a device on Windows"
		}
	}
	return ""
}

// digest is over the names, sizes and bytes of the files, in their order.
func digest(tree fs.FS, files []file) (string, error) {
	h := sha256.New()
	io.WriteString(h, "takplugin folder 1\x00") // a hash takes everything
	var b []byte
	for _, f := range files {
		b = binary.BigEndian.AppendUint64(b[:0], uint64(len(f.name)))
		b = append(b, f.name...)
		b = binary.BigEndian.AppendUint64(b, uint64(f.size))
		h.Write(b)
		if err := copyFile(h, tree, f); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// copyFile copies a file that must have the size it was listed with.
func copyFile(w io.Writer, tree fs.FS, f file) error {
	src, err := tree.Open(f.name)
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, withoutPath(err))
	}
	defer src.Close()
	n, err := io.Copy(w, io.LimitReader(src, f.size+1))
	switch {
	case err != nil:
		return fmt.Errorf("read %s: %w", f.name, readError(err))
	case n != f.size:
		return fmt.Errorf("%s changes while it is read", f.name)
	}
	return nil
}

// shown is a tree of which only the listed files and their folders are there.
type shown struct {
	all  fs.FS
	list map[string]bool
}

func newShown(all fs.FS, files []file) *shown {
	s := &shown{all, map[string]bool{".": true}}
	for _, f := range files {
		for name := f.name; name != "."; name = path.Dir(name) {
			s.list[name] = true
		}
	}
	return s
}

// Open implements fs.FS.
func (s *shown) Open(name string) (fs.File, error) {
	if !s.list[name] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f, err := s.all.Open(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = &fs.PathError{Op: "open", Path: name, Err: withoutPath(err)}
	}
	return f, err
}

func show(name string) string {
	const most = 80
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	return fmt.Sprintf("%q", name)
}
