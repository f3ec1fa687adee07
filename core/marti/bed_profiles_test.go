package marti_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// maxFile is how large a file of a profile may be.
const maxFile = 1 << 20

// profiles are those that a test gives, with the content of their files, and those
// that are kept.
type profiles []onboard.Profile

type allProfiles struct{ b *bed }

func (p allProfiles) Profile(name string) (onboard.Profile, error) { return p.b.keeper.Profile(name) }

func (p allProfiles) Offered(name, hash string) bool { return p.b.keeper.Offered(name, hash) }

func (p allProfiles) Open(ctx context.Context, hash string) (io.ReadSeekCloser, error) {
	return p.b.keeper.Open(ctx, hash)
}

func (p allProfiles) Profiles(ctx context.Context) ([]onboard.Profile, error) {
	all, err := p.b.keeper.Profiles(ctx)
	return append(slices.Clone(p.b.profiles), all...), err
}

func (f *fakeCore) BaseURL(listener string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.urls[listener]
}

// sent is an event of the server.
type sent struct {
	xml    string
	groups hostapi.SetID
	uids   []string
}

func (f *fakeCore) Emit(xml string, groups hostapi.SetID, uids []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, sent{xml, groups, uids})
	return nil
}

// emitted gives what was sent since the last call.
func (f *fakeCore) emitted() []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.sent
	f.sent = nil
	return list
}

// offerIn gives the attributes of the file that an event offers.
func offerIn(t testing.TB, xml string) map[string]string {
	t.Helper()
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		t.Fatalf("%v in %s", err, xml)
	}
	tree, err := cot.ParseDetail(xml, &h)
	if err != nil {
		t.Fatal(err)
	}
	share, ok := tree.Root().Child("fileshare")
	if !ok || h.Type != "b-f-t-r" {
		t.Fatalf("offers no file: %s", xml)
	}
	attrs := map[string]string{}
	for name, value := range share.Attrs {
		attrs[name] = value
	}
	if h.UID != attrs["sha256"] || attrs["senderUid"] != h.UID || h.Stale-h.Start != int64(100*time.Second/time.Microsecond) {
		t.Errorf("got %s", xml)
	}
	return attrs
}

// lose takes the content of a file away behind everybody's back.
func (b *bed) lose(hash string) {
	b.t.Helper()
	b.must(os.Remove(filepath.Join(b.dir, "blobs", hash[:2], hash[2:])))
}
