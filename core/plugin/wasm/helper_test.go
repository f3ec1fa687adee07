package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// goGuest is testdata/guest, built by TestMain; cacheDir has its machine code, so
// that one test compiles it and the others have it at once.
var (
	goGuest  []byte
	cacheDir string
)

func TestMain(m *testing.M) { os.Exit(withGuest(m)) }

func withGuest(m *testing.M) int {
	dir, err := os.MkdirTemp("", "takhost-wasm-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cacheDir = filepath.Join(dir, "cache")
	file := filepath.Join(dir, "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-o", file, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the guest: %v\n%s", err, out)
		return 1
	}
	if goGuest, err = os.ReadFile(file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// serve makes a host of a function.
type serve func(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status)

func (f serve) Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	return f(ctx, op, in, dst)
}

// echo answers every operation with its input.
var echo = serve(func(_ context.Context, _ hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	return append(dst, in...), hostapi.OK
})

func newRuntime(t testing.TB, o Options) *Runtime {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// load loads the Go guest.
func load(t testing.TB, c guest.Code) guest.Module {
	t.Helper()
	if c.Module == nil {
		c.Module = goGuest
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	m, err := newRuntime(t, Options{CacheDir: cacheDir}).Load(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

func newInstance(t testing.TB, m guest.Module, h guest.Host) guest.Instance {
	t.Helper()
	i, err := m.New(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return i
}

// call asks an operation that must not fail.
func call(t testing.TB, i guest.Instance, op hostapi.GuestOp, in string) string {
	t.Helper()
	out, status, err := i.Call(t.Context(), op, []byte(in), nil)
	if err != nil || status != hostapi.OK {
		t.Fatalf("%v: got status %v and error %v, output:\n%s", op, status, err, outputOf(err))
	}
	return string(out)
}

func outputOf(err error) string {
	var c *guest.Crash
	if errors.As(err, &c) {
		return c.Output
	}
	return ""
}

// within gives a context with a deadline.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// positionXML is a position report as ATAK sends it each few seconds, 805 bytes.
const positionXML = `<event version="2.0" uid="ANDROID-5ca1ab1e0badcafe" type="a-f-G-U-C" time="2026-08-20T10:11:12.345Z" ` +
	`start="2026-08-20T10:11:12.345Z" stale="2026-08-20T10:17:27.345Z" how="m-g" access="Undefined">` +
	`<point lat="48.1373930" lon="11.5754850" hae="519.28" ce="9.9" le="9999999.0"/><detail>` +
	`<takv os="34" version="5.4.0.12 (01234567)[playstore].1755000000-CIV" device="FERNWEH F6" platform="ATAK-CIV"/>` +
	`<contact endpoint="*:-1:stcp" phone="+4915550123456" callsign="LINDE-07"/><uid Droid="LINDE-07"/>` +
	`<precisionlocation altsrc="GPS" geopointsrc="GPS"/><__group role="Team Member" name="Cyan"/>` +
	`<status battery="78"/><track course="142.66" speed="1.27"/>` +
	`<remarks source="BAO.F.ATAK">moving along the ridge</remarks></detail></event>`

// batch has n position reports.
func batch(t testing.TB, n int) []byte {
	t.Helper()
	e := &hostapi.Event{XML: positionXML, ID: 7 << 22, User: "linde"}
	if err := cot.Scan(positionXML, &e.Header); err != nil {
		t.Fatal(err)
	}
	var w hostapi.BatchWriter
	for range n {
		w.Add(e, hostapi.WantDetail([]string{"*"}), 1)
	}
	return w.Bytes(1, 0, 0)
}
