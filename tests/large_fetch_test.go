package tests

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// fetchable is what a client of the TAK protocol is told of an event too long for a
// frame.
type fetchable struct {
	base, path string // of the address
	hash, from string
	size       int
	name       string
}

// isNotice matches the notice of an event with that uid.
func isNotice(uid string) takclient.Match {
	return takclient.Type("b-f-t-r").Both(takclient.Contains("/Marti/api/cot/xml/" + url.PathEscape(uid) + "?event="))
}

// notice waits for the notice of an event of that uid.
func notice(t *testing.T, c *takclient.Client, uid string) fetchable {
	t.Helper()
	return readNotice(t, c.Expect(t, isNotice(uid)))
}

func readNotice(t *testing.T, r *takclient.Received) fetchable {
	t.Helper()
	var h cot.Header
	takclient.Must(t, cot.Scan(r.XML, &h))
	detail, err := cot.ParseDetail(r.XML, &h)
	takclient.Must(t, err)
	share, ok := detail.Root().Child("fileshare")
	if !ok {
		t.Fatalf("no fileshare: %s", r.XML)
	}
	attr := func(name string) string { v, _ := share.Attr(name); return v }
	u, err := url.Parse(attr("senderUrl"))
	takclient.Must(t, err)
	size, err := strconv.Atoi(attr("sizeInBytes"))
	takclient.Must(t, err)
	n := fetchable{base: u.Scheme + "://" + u.Host, path: u.RequestURI(), hash: attr("sha256"), from: attr("senderCallsign"), size: size, name: attr("filename")}
	if attr("senderUid") != n.hash || attr("name") != n.name {
		t.Errorf("notice: senderUid is %q, name %q: %s", attr("senderUid"), attr("name"), r.XML)
	}
	if marti, ok := detail.Root().Child("marti"); !ok || marti.Raw() != "<marti/>" || h.NumDests() != 0 {
		t.Errorf("notice: got %s, want an empty marti", r.XML)
	}
	if len(r.XML) > 4<<10 {
		t.Errorf("notice of %d bytes", len(r.XML))
	}
	return n
}

// fetched gives the event behind a notice, with the hash that was told.
func fetched(t *testing.T, a *asker, n fetchable) string {
	t.Helper()
	got := a.in(t).get(n.path)
	if got.status != 200 || got.header.Get("Content-Type") != "application/xml" {
		t.Fatalf("%s: got %d %q, %.200q", n.path, got.status, got.header.Get("Content-Type"), got.body)
	}
	sum := sha256.Sum256([]byte(got.body))
	if hash := hex.EncodeToString(sum[:]); hash != n.hash || len(got.body) != n.size {
		t.Errorf("%s: got %d bytes of hash %s, told were %d of %s", n.path, len(got.body), hash, n.size, n.hash)
	}
	head := a.in(t).ask("HEAD", n.path, "", "")
	if head.status != 200 || head.header.Get("Content-Length") != strconv.Itoa(n.size) || head.body != "" {
		t.Errorf("HEAD %s: got %d, length %q", n.path, head.status, head.header.Get("Content-Length"))
	}
	xml, ok := strings.CutPrefix(got.body, "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>")
	if !ok {
		t.Errorf("%s: begins with %.100q", n.path, got.body)
	}
	return xml
}

// notGiven checks that an event is not given.
func notGiven(t *testing.T, a *asker, path string) {
	t.Helper()
	if got := a.in(t).get(path); got.status != 404 || got.body != "" {
		t.Errorf("%s: got %d %.200q, want 404 without a body", path, got.status, got.body)
	}
}

// Two clients of the TAK protocol, over TLS and plain, and one of XML, with
// groups in force.
func TestLongEventsAreFetchedWithinGroups(t *testing.T) {
	t.Parallel()
	srv := wholeServer(t)
	addGroups(t, srv.Admin, "Red", "Blue")
	addUser(t, srv.Admin, "ann", memberOf("Red")...)
	addUser(t, srv.Admin, "bob", memberOf("Red")...)
	addUser(t, srv.Admin, "eve", memberOf("Blue")...)
	addUser(t, srv.Admin, "dan") // in no group, and so with those without a login
	ann, bob, eve, dan := issue(t, srv.Admin, "ann", false), issue(t, srv.Admin, "bob", false), issue(t, srv.Admin, "eve", false), issue(t, srv.Admin, "dan", false)
	https := askAt(t, srv, "https")
	proto := takclient.WithProto()
	ca, cb, ce, cd := online(t, srv, ann), online(t, srv, bob, proto), online(t, srv, eve, proto), online(t, srv, dan, proto)
	xml := online(t, srv, bob, takclient.WithUID("BOB-2"), takclient.WithCallsign("BOB 2"))
	plain := srv.Client(t, proto)
	otherBlue := online(t, srv, eve, takclient.WithUID("EVE-2"))
	takclient.Must(t, ca.SA(1, 2))
	takclient.Must(t, cb.SA(1, 2))
	xml.ExpectUID(t, ann.UID)
	xml.ExpectUID(t, bob.UID)

	t.Run("TLS", func(t *testing.T) {
		e, _ := large(takproto.MaxFrame + 10_000)
		e.UID += "/ä ?" // which an address has to escape
		takclient.Must(t, ca.Send(e.XML()))
		if got := xml.ExpectUID(t, e.UID); got.XML != e.XML() {
			t.Errorf("XML client: got %d bytes, want the %d that were sent", len(got.XML), len(e.XML()))
		}
		n := notice(t, cb, e.UID)
		if want := "https://" + publicName + ":" + portOf(t, srv.Addr("https")); n.base != want || n.from != "ANN" {
			t.Errorf("notice: got base %s from %q, want %s from ANN", n.base, n.from, want)
		}
		if want := strings.NewReplacer("/", "_", "?", "_").Replace(e.UID) + ".cot"; n.name != want {
			t.Errorf("file name: got %q, want %q", n.name, want)
		}
		if got := fetched(t, https.certificate(bob.Cert), n); got != e.XML() {
			t.Errorf("fetched: %d bytes, want the %d that were sent", len(got), len(e.XML()))
		}
		notGiven(t, https.certificate(eve.Cert), n.path)
		notGiven(t, askAt(t, srv, "http"), n.path)
		notGiven(t, https.certificate(bob.Cert), strings.Replace(n.path, "?event=", "?event=1", 1))
		for _, c := range []*takclient.Client{ce, cd, plain} {
			if r := c.CountUID(e.UID); r != 0 {
				t.Errorf("%s got %d", c.UID(), r)
			}
		}
		ce.Never(t, isNotice(e.UID), otherBlue)

		// A newer event of the same uid: each notice is of its own.
		newer := e
		newer.Detail += "<newer/>"
		takclient.Must(t, ca.Send(newer.XML()))
		m := notice(t, cb, e.UID)
		if got := fetched(t, https.certificate(bob.Cert), m); got != newer.XML() {
			t.Errorf("the newer one: %d bytes, want %d", len(got), len(newer.XML()))
		}
		if got := fetched(t, https.certificate(bob.Cert), n); got != e.XML() {
			t.Errorf("the older one: %d bytes, want %d", len(got), len(e.XML()))
		}
		srv.Archived(t, 2, url.Values{"uid": {e.UID}})
		latest, _, _ := strings.Cut(n.path, "?")
		if got := https.certificate(bob.Cert).get(latest); !strings.HasSuffix(got.body, newer.XML()) {
			t.Errorf("without an id: %d bytes, want the newer one", len(got.body))
		}
	})
	t.Run("to one by name", func(t *testing.T) {
		chat := ca.GeoChat(strings.Repeat("blah ", 20_000), cb.Peer())
		takclient.Must(t, ca.Send(chat.XML()))
		got := fetched(t, https.certificate(bob.Cert), notice(t, cb, chat.UID))
		if want := strings.Replace(chat.XML(), takclient.Marti(takclient.Dest{Kind: "callsign", Value: "BOB"}), "", 1); got != want || want == chat.XML() {
			t.Errorf("fetched: %d bytes, want %d, without whom it was sent to", len(got), len(want))
		}
		xml.Never(t, takclient.UID(chat.UID).Or(isNotice(chat.UID)), ca)
	})
	t.Run("plain", func(t *testing.T) {
		takclient.Must(t, cd.SA(3, 4))
		plain.ExpectUID(t, dan.UID)
		e, _ := large(takproto.MaxFrame + 10_000)
		takclient.Must(t, plain.Send(e.XML()))
		n := notice(t, cd, e.UID)
		if !strings.HasPrefix(n.base, "https://"+publicName+":") {
			t.Errorf("over TLS: got base %s", n.base)
		}
		sameMeaning(t, e.XML(), fetched(t, https.certificate(dan.Cert), n))
		takclient.Must(t, cd.Send(e.XML()))
		n = notice(t, plain, e.UID)
		if want := "http://" + publicName + ":" + portOf(t, srv.Addr("http")); n.base != want || n.from != "DAN" {
			t.Errorf("plain: got base %s from %q, want %s from DAN", n.base, n.from, want)
		}
		sameMeaning(t, e.XML(), fetched(t, askAt(t, srv, "http"), n))
		cb.Never(t, isNotice(e.UID), ca)
	})
	t.Run("WebSocket", func(t *testing.T) {
		// A position so long is replayed to newcomers in the same way.
		takclient.Must(t, ca.Send(ca.Presence(5, 6, "<x>"+strings.Repeat("a", takproto.MaxFrame)+"</x>").XML()))
		notice(t, cb, ann.UID)
		ws := takclient.DialWebSocket(t, "wss://"+srv.Addr("https")+"/takproto/1", bob.TLS(), nil, takclient.WithUID("BOB-3"))
		n := notice(t, ws, ann.UID)
		if want := "https://" + publicName + ":" + portOf(t, srv.Addr("https")); n.base != want {
			t.Errorf("got base %s, want %s", n.base, want)
		}
		fetched(t, https.certificate(bob.Cert), n)
	})
	if n := srv.Metric(t, "takhost_stream_too_long_total"); n != 0 {
		t.Errorf("counted %v deliveries as left out", n)
	}
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	u, err := url.Parse("//" + addr)
	takclient.Must(t, err)
	return u.Port()
}

// What is not archived is kept to be fetched all the same.
func TestLongEventsWithoutArchive(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*config.Config){
		"off":           func(c *config.Config) { c.Archive.Types = nil },
		"another type":  func(c *config.Config) { c.Archive.Types = []string{"a-*"} },
		"not this once": func(*config.Config) {},
	} {
		t.Run(name, func(t *testing.T) {
			srv := taktest.Start(t, taktest.WithListeners("http"), taktest.WithConfig(change))
			a, b := srv.Client(t), srv.Client(t, takclient.WithProto())
			e, _ := large(takproto.MaxFrame + 1000)
			sent := strings.Replace(e.XML(), "</detail>", `<marti archive="false"/></detail>`, 1)
			takclient.Must(t, a.Send(sent))
			n := notice(t, b, e.UID)
			if want := "http://" + srv.Addr("http"); n.base != want { // the real port, where none is configured
				t.Errorf("got base %s, want %s", n.base, want)
			}
			if got := fetched(t, askAt(t, srv, "http"), n); got != e.XML() {
				t.Errorf("fetched: %d bytes, want %d", len(got), len(e.XML()))
			}
			srv.Archived(t, 0, url.Values{"uid": {e.UID}})
			notGiven(t, askAt(t, srv, "http"), "/Marti/api/cot/xml/"+e.UID)
		})
	}
}

// When memory has given an event up, or the server was restarted, the archive
// answers with the same bytes.
func TestLongEventsOutOfTheArchive(t *testing.T) {
	t.Parallel()
	srv := taktest.Start(t, taktest.WithListeners("http"))
	a, b := srv.Client(t), srv.Client(t, takclient.WithProto())
	present(t, a, b)
	e, _ := large(takproto.MaxFrame + 1000)
	e.Detail += takclient.Marti(takclient.Dest{Kind: "uid", Value: b.UID()}) + "<after/>"
	takclient.Must(t, a.Send(e.XML()))
	n := notice(t, b, e.UID)
	want := fetched(t, askAt(t, srv, "http"), n)
	if strings.Contains(want, "<marti") || !strings.Contains(want, "<after/>") {
		t.Errorf("fetched: %.300s", want)
	}
	srv.Archived(t, 1, url.Values{"uid": {e.UID}})

	const each = 7 << 20 // ten of them are more than is kept
	for range 10 {
		f, _ := large(each)
		takclient.Must(t, a.Send(f.XML()))
		b.ExpectWithin(t, 30*time.Second, isNotice(f.UID))
	}
	if held := srv.Metric(t, "takhost_large_bytes"); held > 64<<20 || held < 50<<20 {
		t.Errorf("%v bytes are kept", held)
	}
	from := `takhost_large_fetched_total{from="archive"}`
	before := srv.Metric(t, from)
	if got := fetched(t, askAt(t, srv, "http"), n); got != want {
		t.Errorf("fetched out of the archive: %d bytes, want %d", len(got), len(want))
	}
	// HEAD comes second, and has it from memory again.
	if got := srv.Metric(t, from) - before; got != 1 {
		t.Errorf("counted %v fetched out of the archive, want 1", got)
	}
	if n := srv.Metric(t, "takhost_large_evicted_total"); n < 2 {
		t.Errorf("counted %v given up, want 2 at least", n)
	}
	srv.Restart(t)
	if got := fetched(t, askAt(t, srv, "http"), n); got != want {
		t.Errorf("fetched after a restart: %d bytes, want %d", len(got), len(want))
	}
	notGiven(t, askAt(t, srv, "http"), strings.Replace(n.path, e.UID, "other", 1))
}
