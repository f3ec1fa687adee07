package blobzip

import (
	"archive/zip"
	"compress/flate"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// File is one file to be packed. Open is called once, when its turn has come.
type File struct {
	Name string
	Size int64
	Open func() (io.ReadCloser, error)
}

// stamp is the time of all files, the first that the format can say, so that the
// same files make the same archive.
var stamp = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// compressBelow is up to which size files are compressed: of large ones, mostly
// pictures and maps, it would take longer than a caller waits and save little.
const compressBelow = 4 << 20

// Check says why files cannot be packed, if so: by their names, number and sizes.
func (l *Limits) Check(files []File) error {
	if len(files) > l.Entries {
		return refuse(Bomb, "%d files, %d are allowed", len(files), l.Entries)
	}
	total := int64(0)
	names := newNameSet(len(files))
	for i := range files {
		f := &files[i]
		if err := l.CheckName(f.Name); err != nil {
			return err
		}
		if err := names.add(f.Name); err != nil {
			return err
		}
		if total += f.Size; f.Size < 0 || total > l.Total {
			return refuse(Bomb, "the files have more than %d bytes", l.Total)
		}
	}
	return names.check()
}

// Pack writes an archive of files that Check has let pass, in their order. The
// same files give the same bytes, as long as the server is built with the same Go.
func Pack(w io.Writer, files []File) error {
	level := flate.NoCompression
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, level) })
	for i := range files {
		f := &files[i]
		level = flate.NoCompression
		if f.Size < compressBelow && !packed[strings.ToLower(path.Ext(f.Name))] {
			level = flate.DefaultCompression
		}
		// Deflate in any case: readers that take an archive as it comes cannot do
		// with files that are stored and have their sizes behind them.
		h := &zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: stamp}
		h.SetMode(fs.FileMode(0o644))
		if err := add(z, h, f); err != nil {
			return err
		}
	}
	return z.Close()
}

func add(z *zip.Writer, h *zip.FileHeader, f *File) error {
	to, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.CopyBuffer(to, from, make([]byte, 32<<10))
	return err
}

// packed are the endings of files that are compressed already.
var packed = map[string]bool{
	".zip": true, ".kmz": true, ".gz": true, ".jpg": true, ".jpeg": true, ".png": true, ".webp": true, ".heic": true,
	".mp4": true, ".mov": true, ".mp3": true, ".m4a": true, ".7z": true, ".apk": true, ".docx": true, ".xlsx": true, ".pdf": true,
}
