package scaffold

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi/manifest"
)

// SourceDigest gives a digest of all that Build makes a plugin in Go from: the files
// of its packages that are not the standard library's, the version of Go, and what
// lies in its folder but for tests and Go files. It changes when the plugin has to be
// built anew.
func SourceDigest(ctx context.Context, dir string) (string, error) {
	dir, err := filepath.Abs(dir) // as the go command names files
	if err != nil {
		return "", fmt.Errorf("read the sources: %w", err)
	}
	files, err := folderFiles(dir)
	if err != nil {
		return "", err
	}
	code, err := goFiles(ctx, dir)
	if err != nil {
		return "", err
	}
	files = append(files, code...)
	h := sha256.New()
	version, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("ask for the version of Go: %w", err)
	}
	h.Write(version)
	for _, name := range slices.Compact(slices.Sorted(slices.Values(files))) {
		f, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read the sources: %w", err)
		}
		// Only the name of the file: the folder is another one in each checkout.
		fmt.Fprintf(h, "\x00%s\x00", filepath.Base(name))
		_, err = io.Copy(h, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return "", fmt.Errorf("read the sources: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// folderFiles gives the files that are packed as they are.
func folderFiles(dir string) (files []string, err error) {
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != dir && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.Type().IsRegular() && !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".takplugin"):
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the sources: %w", err)
	}
	return files, nil
}

// IsProcess says whether the manifest in a folder is that of a process plugin.
func IsProcess(dir string) (bool, error) {
	doc, err := os.ReadFile(filepath.Join(dir, manifest.FileName))
	if err != nil {
		return false, fmt.Errorf("read the manifest: %w", err)
	}
	m, err := manifest.Parse(doc)
	if err != nil {
		return false, fmt.Errorf("%s:\n%w", filepath.Join(dir, manifest.FileName), err)
	}
	return m.Runtime == "process", nil
}

// IsNative says whether the plugin in a folder can also be built as a process, which
// is so if it imports sdk/native.
func IsNative(ctx context.Context, dir string) (bool, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", ".")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return false, fmt.Errorf("list the packages: %w\n%s", err, stderr.Bytes())
	}
	return strings.Contains("\n"+string(out), "\ngithub.com/takhost/takhost/sdk/native\n"), nil
}

// goFiles gives the Go files that a WASM module of the plugin is made of.
func goFiles(ctx context.Context, dir string) (files []string, err error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Dir,Standard,GoFiles,EmbedFiles", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the sources: %w\n%s", err, stderr.Bytes())
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p struct {
			Dir                 string
			Standard            bool
			GoFiles, EmbedFiles []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return files, nil
		} else if err != nil {
			return nil, fmt.Errorf("list the sources: %w", err)
		}
		if !p.Standard {
			for _, name := range append(p.GoFiles, p.EmbedFiles...) {
				files = append(files, filepath.Join(p.Dir, name))
			}
		}
	}
}
