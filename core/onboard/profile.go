package onboard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/core/filename"
)

// Kind says when clients ask for a profile.
type Kind string

const (
	OnEnrolment  Kind = "enrollment"
	OnConnection Kind = "connection"
	OfTool       Kind = "tool"
)

// Profile is a set of files that clients fetch and import by themselves.
type Profile struct {
	ID      int64     `json:"id,omitempty"` // among all profiles and their files
	Name    string    `json:"name"`
	Kind    Kind      `json:"kind"`
	Tool    string    `json:"tool,omitempty"`   // with OfTool: what asks for it
	Groups  []string  `json:"groups,omitempty"` // who gets it; empty: everybody
	Active  bool      `json:"active"`
	Files   []File    `json:"files,omitempty"`
	Changed time.Time `json:"changed"`
}

// File is one file of a profile. Its content lies elsewhere, under its hash.
type File struct {
	ID      int64     `json:"id,omitempty"`
	Name    string    `json:"name"`           // with OfTool a path, as tools ask by it; else without a folder
	Hash    string    `json:"hash,omitempty"` // SHA-256 of the content, in lower-case hexadecimal digits
	Size    int64     `json:"size"`
	CRC     uint32    `json:"crc,omitempty"` // CRC-32 of the content, as zip archives want it before the content
	Changed time.Time `json:"changed"`

	// Data is the content of a file that lies nowhere: one that is made when it is
	// asked for, and those of profiles that an earlier version has stored.
	Data []byte `json:"data,omitempty"`
}

// Made gives a file that lies nowhere but in memory.
func Made(name string, data []byte) File {
	sum := sha256.Sum256(data)
	return File{Name: name, Hash: hex.EncodeToString(sum[:]), Size: int64(len(data)), CRC: crc32.ChecksumIEEE(data), Data: data}
}

// InMemory says whether there is nothing to be opened for the content of a file.
func (f *File) InMemory() bool { return f.Data != nil || f.Size == 0 }

// Open opens the content of a file, which the caller closes.
func (f *File) Open(open Opener) (io.ReadSeekCloser, error) {
	if f.InMemory() {
		return memory{bytes.NewReader(f.Data)}, nil
	}
	return open(f.Hash)
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// Offer is the package of a profile that clients were told of. It has been made,
// as they check its hash and size, and the profile may change before they come.
type Offer struct {
	Profile string    `json:"profile"` // in the form in which names compare
	Hash    string    `json:"hash"`    // of the package
	Size    int64     `json:"size"`
	Until   time.Time `json:"until"`
}

// Limits of profiles. Phones read packages of up to 4 GiB, and one may hold the
// files of several profiles.
const (
	MostProfileSize = 2 << 30
	MostFiles       = 100
)

// Validate reports all faults of a profile together.
func (p *Profile) Validate() error {
	var faults []error
	faults = append(faults, checkName("profile", p.Name))
	switch p.Kind {
	case OnEnrolment, OnConnection:
		if p.Tool != "" {
			faults = append(faults, fmt.Errorf("profile %s: only profiles of kind %s have a tool", p.Name, OfTool))
		}
	case OfTool:
		faults = append(faults, checkName("tool", p.Tool))
	default:
		faults = append(faults, fmt.Errorf("profile %s: kind %q is none of %s, %s, %s", p.Name, p.Kind, OnEnrolment, OnConnection, OfTool))
	}
	if len(p.Files) > MostFiles {
		faults = append(faults, fmt.Errorf("profile %s: %d files, the limit is %d", p.Name, len(p.Files), MostFiles))
	}
	sum, seen := int64(0), map[string]bool{}
	for _, f := range p.Files {
		faults = append(faults, CheckFileName(p.Kind, f.Name))
		// Clients keep files where case does not count.
		if key := strings.ToLower(f.Name); seen[key] {
			faults = append(faults, fmt.Errorf("profile %s: file %q is there twice", p.Name, f.Name))
		} else {
			seen[key] = true
		}
		sum += f.Size
	}
	if sum > MostProfileSize {
		faults = append(faults, fmt.Errorf("profile %s: %d bytes, the limit is %d", p.Name, sum, MostProfileSize))
	}
	return errors.Join(faults...)
}

// checkName is for names that stand in paths of URLs.
func checkName(what, s string) error {
	if err := plain(what, s); err != nil {
		return err
	}
	if s == "" || len(s) > 64 || s != strings.TrimSpace(s) || s == "." || s == ".." || strings.ContainsAny(s, `/\`) {
		return fmt.Errorf("%s %q: needs 1 to 64 bytes without slashes and without spaces around", what, s)
	}
	return nil
}

// CheckFileName refuses names that a client could take for a place outside of
// the package, and those that some file systems refuse. A tool's file may lie in
// folders.
func CheckFileName(k Kind, s string) error {
	if err := plain("file", s); err != nil {
		return err
	}
	if k != OfTool && strings.Contains(s, "/") {
		return fmt.Errorf("file %q: only files for tools lie in folders", s)
	}
	if len(s) > 240 {
		return fmt.Errorf("file %q: the name is longer than 240 bytes", s)
	}
	for part := range strings.SplitSeq(s, "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return fmt.Errorf("file %q: a part of the name is empty or dots", s)
		case strings.ContainsAny(part, `\:*?"<>|`):
			return fmt.Errorf(`file %q: holds one of \ : * ? " < > |`, s)
		case part != strings.Trim(part, " ") || strings.HasSuffix(part, "."):
			return fmt.Errorf("file %q: a part of the name begins or ends with a space, or ends with a dot", s)
		case filename.IsDevice(part):
			return fmt.Errorf("file %q: Windows keeps that name for a device", s)
		}
	}
	return nil
}

// For says whether members of these groups get the profile.
func (p *Profile) For(groups []string) bool {
	return len(p.Groups) == 0 || slices.ContainsFunc(p.Groups, func(g string) bool { return slices.Contains(groups, g) })
}

// Wanted is what a client asks for.
type Wanted struct {
	Kind   Kind
	Tool   string    // with OfTool
	Groups []string  // the client's own, as it receives them
	Since  time.Time // only files that changed later; zero: all
}

// Choose gives the active profiles that the client gets, in order of name, with
// the files that it wants; those without any are left out.
func Choose(list []Profile, w Wanted) []Profile {
	var out []Profile
	for _, p := range list {
		if !p.Active || p.Kind != w.Kind || p.Kind == OfTool && !strings.EqualFold(p.Tool, w.Tool) {
			continue
		}
		if !p.For(w.Groups) {
			continue
		}
		files := p.Files
		if !w.Since.IsZero() {
			files = slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !f.Changed.After(w.Since) })
		}
		if len(files) > 0 {
			p.Files = files
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Profile) int { return strings.Compare(a.Name, b.Name) })
	return out
}
