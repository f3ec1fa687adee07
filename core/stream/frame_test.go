package stream

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi/cot"
)

const head = `<event version="2.0" uid="u" type="a-f-G" time="2026-01-01T00:00:00Z" start="2026-01-01T00:00:00Z" stale="2026-01-01T00:01:00Z" how="m-g"><point lat="1" lon="2" hae="0" ce="0" le="0"/>`

func event(detail string) string { return head + "<detail>" + detail + "</detail></event>" }

// frames runs a stream through a framer in pieces of the given sizes and gives
// what was framed and how many bytes were lost. What stays undecided at the end
// is given up, as it would be after a while.
func frames(t *testing.T, stream string, next func() int) (got []string, lost int) {
	t.Helper()
	var f framer
	var data []byte
	take := func(frame []byte) error {
		var h cot.Header
		if err := cot.Scan(string(frame), &h); err != nil {
			return err
		}
		got = append(got, string(frame))
		return nil
	}
	work := func() {
		for len(data) > 0 {
			drop, err := f.next(data, take)
			if drop == 0 {
				return
			}
			if err != nil {
				lost += drop
			}
			data = data[drop:]
		}
	}
	for len(stream) > 0 {
		n := min(next(), len(stream))
		data = append(data[:len(data):len(data)], stream[:n]...)
		stream = stream[n:]
		work()
	}
	for f.undecided {
		n := f.giveUp(data)
		lost += n
		data = data[n:]
		work()
	}
	return got, lost
}

func TestFramer(t *testing.T) {
	a, b := event(`<remarks>one</remarks>`), event(`<remarks>two</remarks>`)
	comment := event(`<!-- </event> --><x/>`)
	cdata := event(`<remarks><![CDATA[</event><event uid="no">]]></remarks>`)
	spaced := strings.TrimSuffix(a, "</event>") + "</event \r\n>"
	selfClosed := `<event uid="s" type="t-x"/>`
	pi := event(`<?note </event> ?>`)
	quoted := event(`<x a='</event' b=">"/>`) // '<' in a value: not well-formed
	for _, c := range []struct {
		name, in string
		want     []string
		lost     bool
	}{
		{"one", a, []string{a}, false},
		{"several at once", a + b + a, []string{a, b, a}, false},
		{"prologs and white space", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + a + "\r\n \t<?xml version='1.0'?>" + b + "\n", []string{a, b}, false},
		{"comment between events", "<!-- <event> </event> -->" + a, []string{a}, false},
		{"comment with end tag", comment + b, []string{comment, b}, false},
		{"CDATA with end and start tag", cdata + b, []string{cdata, b}, false},
		{"instruction with end tag", pi + b, []string{pi, b}, false},
		{"space in the end tag", spaced + b, []string{spaced, b}, false},
		{"self-closed", selfClosed + selfClosed + b, []string{selfClosed, selfClosed, b}, false},
		{"self-closed alone", selfClosed, []string{selfClosed}, false},
		{"auth nobody asked for", `<?xml version="1.0"?><auth><cot username="u" password="p"/></AUTH>` + a + "<auth>\n</auth>" + b, []string{a, b}, false},
		{"auth without an end", `<auth><cot username="u" password="p"/>` + a + b, []string{a, b}, true},
		{"auth inside auth", "<auth><auth></auth>" + a, []string{a}, true},
		{"auth that is too long", "<auth>" + strings.Repeat(" ", longestAuth) + "</auth>" + a, []string{a}, true},
		{"author", "<author></author>" + a, []string{a}, true},
		{"longer names are no events", `<events><eventual/></events>` + a, []string{a}, true},
		{"wrong end tag", strings.Replace(a, "</detail>", "</detali>", 1) + b, []string{b}, true},
		{"no end tag", strings.TrimSuffix(a, "</event>") + b, []string{b}, true},
		{"broken end tag", strings.TrimSuffix(a, "</event>") + "</evenx>" + b, []string{b}, true},
		{"end tag of another", strings.TrimSuffix(a, "</event>") + "</eventual>" + b, []string{b}, true},
		{"open quote", strings.Replace(a, `uid="u"`, `uid="u`, 1) + b, []string{b}, true},
		{"wrong quote", strings.Replace(a, `uid="u"`, `uid="u'`, 1) + b, []string{b}, true},
		{"end tag in a value", quoted + b, []string{b}, true},
		{"stray less-than", event("1 < 2") + b, []string{b}, true},
		{"bytes outside UTF-8", event("\xff\xfe") + b, []string{b}, true},
		{"control character", event("\x01") + b, []string{b}, true},
		{"document type", "<!DOCTYPE event [<!ENTITY a 'b'>]>" + a + b, []string{a, b}, true},
		{"entity definition inside", event("&unknown;") + b, []string{b}, true},
		{"unclosed comment", event(`<!-- open`) + b + b, []string{b, b}, true},
		{"unclosed comment and no end tag", head + "<detail><!-- open" + a + b, []string{a, b}, true},
		{"unclosed CDATA", event(`<![CDATA[ open`) + b + b, []string{b, b}, true},
		{"unclosed instruction", event(`<?open`) + b + b, []string{b, b}, true},
		{"unclosed comment between", "<!-- open" + a + b, []string{a, b}, true},
		{"protocol bytes", "\xbf\x01\xbf" + a, []string{a}, true},
		{"half an event", a + b[:40], []string{a}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for split := 1; split <= len(c.in); split++ {
				got, lost := frames(t, c.in, func() int { return split })
				if d := cmp.Diff(c.want, got); d != "" {
					t.Fatalf("in pieces of %d: frames (-want +got):\n%s", split, d)
				}
				if (lost > 0) != c.lost {
					t.Fatalf("in pieces of %d: %d bytes lost, want any: %v", split, lost, c.lost)
				}
			}
		})
	}
}

// A flood of start tags without ends must not cost a search through all the
// rest each: 1 MiB of them takes well under a second, not minutes.
func TestFramerIsLinear(t *testing.T) {
	for _, flood := range []string{"<event ", "<event/>", "<event uid='a'>", "<!--", "<event><!-- </event>", "<event><![CDATA[</event>", "<!-- <event>", "</event", "<event></eventual>"} {
		t.Run(flood, func(t *testing.T) {
			in := strings.Repeat(flood, (1<<20)/len(flood)) + event("")
			steps, dropped, searched, none := 0, 0, 0, absent{}
			var f framer
			data := []byte(in)
			take := func(frame []byte) error {
				steps += min(len(frame), 64)
				return errors.New("no")
			}
			for len(data) > 0 {
				drop, _ := f.next(data, take)
				if drop == 0 {
					if !f.undecided {
						break
					}
					drop = f.giveUp(data)
				}
				data = data[drop:]
				// What was searched once is not searched again.
				dropped += drop
				if dropped+f.searched < searched {
					t.Fatalf("searched up to %d for an end tag, and begins again at %d", searched, dropped+f.searched)
				}
				searched = dropped + f.searched
				for i := range none {
					if f.none[i] > 0 && dropped+f.none[i] < none[i] {
						t.Fatalf("searched up to %d for the end of a section, and begins again at %d", none[i], dropped+f.none[i])
					}
					none[i] = max(none[i], dropped+f.none[i])
				}
			}
			if steps > 64*len(in) {
				t.Fatalf("%d bytes looked at for %d", steps, len(in))
			}
		})
	}
}

// FuzzFramer checks that the frames of a stream do not depend on how it is cut,
// that a good event behind anything at all comes through, and that nothing
// panics.
func FuzzFramer(f *testing.F) {
	good := event("<remarks>good</remarks>")
	for _, s := range []string{
		"", "<event", good, good + good, "<?xml version='1.0'?>\n" + good, event("<!-- </event> -->"),
		event("<![CDATA[</event>]]>"), `<event uid="s" type="t-x"/>`, "<!-- x", "<event><![CDATA[", "\xbf\x03\x01\x02\x03",
		event("<x"), strings.Replace(good, `"u"`, `"u`, 1),
	} {
		f.Add(s, uint64(1))
	}
	f.Fuzz(func(t *testing.T, junk string, seed uint64) {
		in := junk + good + good + good
		whole, _ := frames(t, in, func() int { return len(in) })
		r := rand.New(rand.NewPCG(seed, 1))
		cut, _ := frames(t, in, func() int { return 1 + r.IntN(40) })
		if d := cmp.Diff(whole, cut); d != "" {
			t.Fatalf("frames depend on the cut (-whole +cut):\n%s", d)
		}
		// The first good one may close what the junk opened, and count as part of
		// it; the last one cannot.
		if n := len(whole); n == 0 || whole[n-1] != good {
			t.Fatalf("the last good event is missing, got %q", whole)
		}
	})
}
