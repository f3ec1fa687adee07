package hostapi

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/takhost/takhost/hostapi/cot"
)

// saEvent is a position report as current ATAK sends it each few seconds.
const saEvent = `<event version="2.0" uid="ANDROID-5ca1ab1e0badcafe" type="a-f-G-U-C" time="2026-08-20T10:11:12.345Z" ` +
	`start="2026-08-20T10:11:12.345Z" stale="2026-08-20T10:17:27.345Z" how="m-g" access="Undefined">` +
	`<point lat="48.1373930" lon="11.5754850" hae="519.28" ce="9.9" le="9999999.0"/><detail>` +
	`<takv os="34" version="5.4.0.12 (01234567)[playstore].1755000000-CIV" device="FERNWEH F6" platform="ATAK-CIV"/>` +
	`<contact endpoint="*:-1:stcp" phone="+4915550123456" callsign="LINDE-07"/><uid Droid="LINDE-07"/>` +
	`<precisionlocation altsrc="GPS" geopointsrc="GPS"/><__group role="Team Member" name="Cyan"/>` +
	`<status battery="78"/><track course="142.66" speed="1.27"/>` +
	`<remarks source="BAO.F.ATAK">moving along the ridge</remarks></detail></event>`

// event scans xml into an event with everything set that the core knows of one.
func event(t testing.TB, xml string) *Event {
	t.Helper()
	e := &Event{
		XML: xml, ID: 7<<22 | 5<<12 | 3, Recv: 1787220672345678, Conn: 42, User: "linde",
		Client: "ANDROID-5ca1ab1e0badcafe", Groups: 9, Origin: FromHTTP, Hops: 2,
	}
	if err := cot.Scan(xml, &e.Header); err != nil {
		t.Fatalf("scan: %v", err)
	}
	return e
}

// corpus gives the events of cot's tests by file name.
func corpus(t testing.TB) map[string]string {
	t.Helper()
	names, err := filepath.Glob("cot/testdata/corpus/*.cot")
	if err != nil || len(names) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	all := map[string]string{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(b)
	}
	return all
}
