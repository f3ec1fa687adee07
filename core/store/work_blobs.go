package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
)

// writtenBlob is a file that is about to get its name.
type writtenBlob struct {
	Blob
	by *BlobWriter
}

// enter stages its row.
func (w *Work) enter(b Blob, by *BlobWriter) { stage(w, &w.blobs, b.Hash, writtenBlob{b, by}) }

// KeepBlob stages that an owner, which is any text of the plugin's, keeps a file.
// When it keeps it already, that is no error.
func (w *Work) KeepBlob(ctx context.Context, o *Owner, owner, hash string) error {
	if err := w.check(o, "owner of a file", owner); err != nil {
		return fmt.Errorf("keep a file: %w", err)
	}
	if !blobName.MatchString(hash) {
		return fmt.Errorf("keep a file: %w", invalidf("%.80q is no SHA-256 in lower-case hexadecimal digits", hash))
	}
	b, err := w.p.blob(ctx, hash)
	if err != nil {
		return fmt.Errorf("keep a file: %w", err)
	}
	if o.BlobQuota > 0 && b.Size > o.BlobQuota {
		return fmt.Errorf("keep a file: %w", overBlobQuota(o, b.Size))
	}
	stage(w, &w.refs, refKey{o.Plugin, hash, owner}, stagedRef{o, true})
	return nil
}

func overBlobQuota(o *Owner, total int64) error {
	return &Error{Code: Limit, Msg: fmt.Sprintf("the files of plugin %s would have %d bytes, %d are granted", o.Plugin, total, o.BlobQuota)}
}

// ReleaseBlob stages that an owner keeps a file no longer, if it does. A file that
// nobody keeps is removed an hour later, or as soon as room is short.
func (w *Work) ReleaseBlob(o *Owner, owner, hash string) error {
	if err := w.check(o, "owner of a file", owner); err != nil {
		return fmt.Errorf("release a file: %w", err)
	}
	if !blobName.MatchString(hash) {
		return fmt.Errorf("release a file: %w", invalidf("%.80q is no SHA-256 in lower-case hexadecimal digits", hash))
	}
	stage(w, &w.refs, refKey{o.Plugin, hash, owner}, stagedRef{o, false})
	return nil
}

// KeptBlobs gives what an owner of the plugin keeps, with what the Work stages, in
// the order of hashes; up to hostapi.MaxPage files. They are not guarded.
func (w *Work) KeptBlobs(ctx context.Context, o *Owner, owner string) ([]Blob, error) {
	if err := w.check(o, "owner of a file", owner); err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	blobs, err := w.p.Owned(ctx, o.Plugin, owner)
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	for k, r := range w.refs {
		if k.plugin != o.Plugin || k.owner != owner {
			continue
		}
		i := slices.IndexFunc(blobs, func(b Blob) bool { return b.Hash == k.hash })
		switch {
		case r.keep && i < 0:
			b, err := w.p.blob(ctx, k.hash)
			if err != nil {
				return nil, fmt.Errorf("list files: %w", err)
			}
			blobs = append(blobs, b)
		case !r.keep && i >= 0:
			blobs = slices.Delete(blobs, i, i+1)
		}
	}
	slices.SortFunc(blobs, func(a, b Blob) int { return strings.Compare(a.Hash, b.Hash) })
	return blobs[:min(len(blobs), hostapi.MaxPage)], nil
}
