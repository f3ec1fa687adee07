package takproto

import (
	"archive/zip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/tests/meaning"
)

const corpusDir = "../cot/testdata/corpus"

// cases are events that try the protocol's corners; each must keep its meaning.
var cases = map[string]string{
	"presence":           sa,
	"route":              route(40),
	"double quote forms": `<event version='2.0' uid='a"b' type="t'u" how='h"'/>`,
	"references":         `<event uid="&#x1F600;&amp;lt;" type="t" access="&quot;&#10;"><detail><contact callsign="&lt;x&gt; &amp;amp;"/><a b="&#10;&amp;">&lt;&#13;</a></detail></event>`,
	"line ends":          "<event uid=\"a b\"\r\n type=\"t\" qos=\"\r\n1\r\"><detail><contact callsign=\"a\r\nb\"/><remarks>\r\n one\n\ttwo\r</remarks>\r\n</detail></event>",
	"other letters":      `<event uid="Ω" type="t"><detail><contact callsign="Zoë 東京 🚒"/><remarks>žluťoučký кінь</remarks><übung größe="ß"/></detail></event>`,
	"hidden end tags":    `<event uid="U" type="t"><detail><x><![CDATA[</x></detail></event>]]></x><!-- </detail> --><y><!-- </y> --></y></detail ></event >`,
	"namesakes":          `<event uid="U" type="t"><detail><contact callsign="a"/><x/><contact callsign="b"/><track speed="1" course="2"/><track speed="3" course="4"/></detail></event>`,
	"half typed":         `<event uid="U" type="t"><detail><contact callsign="a" phone="1" endpoint="*:-1:stcp"/><status battery="80.5"/><track speed="NaN" course="1"/><__group name="Red"/><takv os="1"/></detail></event>`,
	"long numbers":       `<event uid="U" type="t"><point lat="-89.99999999999999" lon="179.9999999999999999999" hae="-0.0" ce="1e-5" le="123456789.125"/><detail><track speed="0.1000000000000000055" course="1.7976931348623157e308"/></detail></event>`,
	"NaN height":         `<event uid="U" type="t"><point lat="1" lon="2" hae="NaN" ce="NaN" le="NaN"/></event>`,
	"before 1970":        `<event uid="U" type="t" time="1969-07-20T20:17:40.1234Z" start="0000-01-01T00:00:00Z" stale="9999-12-31T23:59:59.999999Z"/>`,
	"dests":              `<event uid="U" type="b-t-f"><detail><marti archive="false"><dest callsign="A"/><dest uid="B"/><dest mission="C" path="d"/></marti></detail></event>`,
	"empty detail":       `<event uid="U" type="t"><detail/></event>`,
	"text in detail":     `<event uid="U" type="t"><detail>lost<a/>lost<![CDATA[lost]]></detail></event>`,
	"two details":        `<event uid="U" type="t"><detail><a/></detail><detail><b/></detail><point lat="1" lon="2"/></event>`,
}

// keeps checks that an event means the same after protobuf, and that a second
// round changes not a byte.
func keeps(t *testing.T, event string) {
	t.Helper()
	back, err := through(event)
	if err != nil {
		t.Fatal(err)
	}
	want, err := meaning.Of(event)
	if err != nil {
		t.Fatalf("meaning of the event: %v", err)
	}
	got, err := meaning.Of(back)
	if err != nil {
		t.Fatalf("meaning of %s: %v", back, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("meaning (-want +got):\n%s\nevent was %s\nand became %s", diff, event, back)
	}
	again, err := through(back)
	if err != nil {
		t.Fatalf("second round: %v", err)
	}
	if again != back {
		t.Errorf("second round\n got %s\nwant %s", again, back)
	}
	var h cot.Header
	if err := cot.Scan(event, &h); err != nil {
		t.Fatal(err)
	}
	msg, err := AppendMessage(nil, event, &h)
	if err != nil {
		t.Fatal(err)
	}
	readOfficial(t, msg)
}

func TestCasesKeepMeaning(t *testing.T) {
	for name, event := range cases {
		t.Run(name, func(t *testing.T) { keeps(t, event) })
	}
}

func TestCorpusKeepsMeaning(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpusDir, "*.cot"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no events in %s", corpusDir)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			keeps(t, single(string(b)))
		})
	}
}

// single takes the prolog and blanks from around an event that has a file of
// its own.
func single(s string) string {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "<?xml") {
		_, s, _ = strings.Cut(s, "?>")
	}
	return strings.TrimSpace(s)
}

// Events of real clients, where they are present: they belong to others and are
// not part of the repository.
func TestRealEventsKeepMeaning(t *testing.T) {
	const dir = "../../../shared/data"
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the folder shared/data with events of real clients is not beside the repository")
	}
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for name, text := range eventFiles(t, path) {
			for _, event := range anyEvent.FindAllString(text, -1) {
				// One of the captured events has lost its end.
				event = event[strings.LastIndex(event, "<event"):]
				n++
				t.Run(name, func(t *testing.T) { keeps(t, event) })
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Errorf("%s holds no event", dir)
	}
	t.Logf("%d events", n)
}

var anyEvent = regexp.MustCompile(`(?s)<event\s.*?</event\s*>`)

// eventFiles gives the texts of a file that hold events, by name: the file
// itself or, of a data package, the events within.
func eventFiles(t *testing.T, path string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	switch filepath.Ext(path) {
	case ".cot", ".xml":
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.Base(path)] = string(b)
	case ".zip":
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, f := range z.File {
			if filepath.Ext(f.Name) != ".cot" {
				continue
			}
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			texts[filepath.Base(path)+"/"+filepath.Base(f.Name)] = string(b)
		}
	}
	return texts
}
