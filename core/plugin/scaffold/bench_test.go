package scaffold_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/wasm"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// silent answers all operations with nothing.
type silent struct{}

func (silent) Serve(_ context.Context, _ hostapi.HostOp, _, dst []byte) ([]byte, hostapi.Status) {
	return dst, hostapi.OK
}

// BenchmarkEvents gives events of some 800 bytes to a Go guest that is built with the sdk:
// ns/event is the time from the host's call to its answer, of one event.
func BenchmarkEvents(b *testing.B) {
	file := filepath.Join(b.TempDir(), "look.wasm")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-buildmode=c-shared", "-o", file, "./testdata/look")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	module, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	rt, err := wasm.New(wasm.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = rt.Close(context.Background()) })
	m, err := rt.Load(b.Context(), guest.Code{Name: "look", Module: module, Memory: hostapi.DefaultMemory})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close(context.Background()) })
	for _, typ := range []string{"a-f-G-U-C", "b-m-p-s"} {
		for _, n := range []int{1, 64} {
			what := map[string]string{"a-f-G-U-C": "look", "b-m-p-s": "put"}[typ]
			b.Run(fmt.Sprintf("%s/batch of %d", what, n), func(b *testing.B) { benchmarkEvents(b, m, typ, n) })
		}
	}
}

func benchmarkEvents(b *testing.B, m guest.Module, typ string, n int) {
	xml := `<event version="2.0" uid="ANDROID-359975090666199" type="` + typ + `" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:05:00Z">` +
		`<point lat="48.137" lon="11.575" hae="520.1" ce="9.9" le="9999999.0"/><detail><takv os="34" version="5.1.0" device="SAMSUNG" platform="ATAK-CIV"/>` +
		`<contact endpoint="*:-1:stcp" phone="+4917012345678" callsign="ALPHA"/><uid Droid="ALPHA"/><__group name="Cyan" role="Team Member"/><status battery="77"/>` +
		`<track speed="12.5" course="93.8"/><remarks>` + strings.Repeat("x", 220) + `</remarks></detail></event>`
	e := &hostapi.Event{XML: xml, ID: 1, Recv: 1714564800000000, Groups: 1}
	if err := cot.Scan(xml, &e.Header); err != nil {
		b.Fatal(err)
	}
	var w hostapi.BatchWriter
	for range n {
		w.Add(e, hostapi.WantDetail([]string{"track"}), 1)
	}
	in := w.Bytes(1, 0, 0)
	inst, err := m.New(b.Context(), silent{})
	if err != nil {
		b.Fatal(err)
	}
	defer inst.Close(context.Background())
	var out []byte
	for b.Loop() {
		var s hostapi.Status
		if out, s, err = inst.Call(b.Context(), hostapi.OpEvents, in, out[:0]); err != nil || s != hostapi.OK {
			b.Fatalf("status %v, %v: %s", s, err, out)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
}
