package cot

import (
	"archive/zip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// drawing is a free form of at least n bytes, as large ones are that someone
// traced by hand.
func drawing(n int) string {
	b := NewEvent("DRAWING-1", "u-d-f", "h-e", testTime, 0).Point(47.4, 10.2, Unknown, Unknown, Unknown).Start("detail")
	for i := 0; len(b.buf) < n; i++ {
		b.Start("link").Attr("point", fmt.Sprintf("%.14f,%.14f", 47.4+float64(i%97)/971, 10.2+float64(i%89)/997)).End()
	}
	xml, err := b.Start("strokeColor").Attr("value", "-1").End().
		Start("contact").Attr("callsign", "Shape 1").End().
		Start("remarks").End().Start("archive").End().String()
	if err != nil {
		panic(err)
	}
	return xml
}

// TestCorpus holds what a scan finds in each event of the corpus against the
// golden file, and header and tree against encoding/xml.
func TestCorpus(t *testing.T) {
	events := corpus(t)
	events["(made) drawing of 70 KB"] = drawing(70 << 10)
	var got strings.Builder
	for _, name := range slices.Sorted(maps.Keys(events)) {
		text := events[name]
		var h Header
		if err := Scan(text, &h); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tree, err := ParseDetail(text, &h)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		describe(&got, name, text, &h, &tree)
		t.Run(name, func(t *testing.T) {
			compareOracle(t, text)
			compareTree(t, text)
		})
	}
	const golden = "testdata/corpus.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("corpus differs from %s (-want +got):\n%s", golden, diff)
	}
}

func describe(w io.Writer, name, text string, h *Header, tree *Tree) {
	fmt.Fprintf(w, "%s\n  %q %q %q, type at %d, %d bytes\n", name, h.UID, h.Type, h.How, h.TypeAt, len(text))
	fmt.Fprintf(w, "  time %s start %s stale %s\n", AppendTime(nil, h.Time), AppendTime(nil, h.Start), AppendTime(nil, h.Stale))
	if h.Flags.Has(HasPoint) {
		fmt.Fprintf(w, "  point %s %s hae %s ce %s le %s\n",
			formatFloat(h.Lat), formatFloat(h.Lon), formatFloat(h.Hae), formatFloat(h.CE), formatFloat(h.LE))
	}
	if h.Callsign != "" || h.Endpoint != "" {
		fmt.Fprintf(w, "  contact %q %q\n", h.Callsign, h.Endpoint)
	}
	if h.Team != "" || h.Role != "" {
		fmt.Fprintf(w, "  group %q %q\n", h.Team, h.Role)
	}
	if h.Speed != 0 || h.Course != 0 {
		fmt.Fprintf(w, "  track %v %v\n", h.Speed, h.Course)
	}
	for i := range h.NumDests() {
		fmt.Fprintf(w, "  dest %d %q\n", h.Dest(i).Kind, h.Dest(i).Value)
	}
	for _, f := range []struct {
		flag Flags
		name string
	}{{NoArchive, "not archived"}, {HasEmergency, "emergency"}, {ForceDelete, "forced delete"}, {HasFlowTags, "flow tags"}} {
		if h.Flags.Has(f.flag) {
			fmt.Fprintf(w, "  %s\n", f.name)
		}
	}
	if h.Flags.Has(HasDetail) {
		fmt.Fprintf(w, "  detail %d to %d, %d elements:", h.DetailAt, h.DetailTo, tree.Len())
		last, times := "", 0
		flush := func() {
			switch {
			case times == 1:
				fmt.Fprintf(w, " %s", last)
			case times > 1:
				fmt.Fprintf(w, " %s×%d", last, times)
			}
		}
		for c := range tree.Root().Children() {
			if c.Name() != last {
				flush()
				last, times = c.Name(), 0
			}
			times++
		}
		flush()
		fmt.Fprintln(w)
	}
}

// TestSharedData reads the real events that may lie beside the repository.
func TestSharedData(t *testing.T) {
	dir := sharedData(t)
	n, refused := 0, 0
	check := func(name, text string) {
		n++
		t.Run(name, func(t *testing.T) {
			compareOracle(t, text)
			var h Header
			err := Scan(text, &h)
			if err != nil {
				// What real clients sent and we refuse must be what
				// encoding/xml refuses too: one capture is damaged.
				refused++
				if !errors.Is(err, ErrMalformed) || readOracle(text).wellFormed == nil {
					t.Errorf("a real event is refused: %v", err)
				}
				return
			}
			compareTree(t, text)
		})
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.Base(path)
		switch {
		case strings.HasSuffix(name, ".cot"), name == "atak-captured-events.xml":
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i, text := range splitEvents(string(b)) {
				check(fmt.Sprintf("%s %d", name, i), text)
			}
		case strings.HasSuffix(name, ".zip"):
			return eachZipped(path, func(member, text string) {
				for i, text := range splitEvents(text) {
					check(fmt.Sprintf("%s %s %d", name, member, i), text)
				}
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 30 || refused > 1 {
		t.Errorf("got %d events, %d of them refused; want at least 30 and at most the damaged one", n, refused)
	}
}

// sharedData finds the folder ../shared/data beside the repository's root.
func sharedData(t *testing.T) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(root) == root {
			t.Fatal("no go.mod above the test's folder")
		}
		root = filepath.Dir(root)
	}
	dir := filepath.Join(root, "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the folder ../shared/data with real events is not there")
	}
	return dir
}

// splitEvents cuts a file before each <event, which no file has inside one, and
// leaves out what follows </event>.
func splitEvents(text string) []string {
	parts := strings.Split(text, "<event ")
	var events []string
	for _, p := range parts[1:] {
		if i := strings.Index(p, "</event>"); i >= 0 {
			p = p[:i+len("</event>")]
		}
		events = append(events, "<event "+p)
	}
	return events
}

func eachZipped(path string, do func(name, text string)) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".cot") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return err
		}
		do(f.Name, string(b))
	}
	return nil
}
