package admin_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/store/storetest"
)

// TestProfileOffers: what was offered stays as it was, for a day or as long as there
// is the profile.
func TestProfileOffers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newShelf(t, dsn)
		ctx := t.Context()
		for _, name := range []string{"Maps", "other", "empty"} {
			s.must(s.profiles.Add(ctx, root, onboard.Profile{Name: name, Kind: onboard.OnConnection}))
		}
		s.put("maps", "a", "first")
		s.put("other", "a", "first")
		first, err := s.profiles.Offer(ctx, root, "MAPS", []string{"A", "B"})
		s.must(err)
		a, err := onboard.Zip("Maps", s.profile("maps"))
		s.must(err)
		if want := s.read(a); first.Hash != hashOf(want) || first.Size != int64(len(want)) || !strings.Contains(want, "first") {
			t.Errorf("got %+v of another package", first)
		}
		other, err := s.profiles.Offer(ctx, root, "other", nil)
		s.must(err)
		if other.Hash == first.Hash {
			t.Error("packages of two profiles are one")
		}
		s.put("maps", "a", "second")
		second, err := s.profiles.Offer(ctx, root, "maps", nil)
		s.must(err)
		if again, err := s.profiles.Offer(ctx, root, "maps", nil); err != nil || again.Hash != second.Hash {
			t.Errorf("again: got %+v, error %v, want %+v", again, err, second)
		}
		held := func(when string, profile, hash string, want bool) {
			t.Helper()
			if got := s.profiles.Offered(profile, hash); got != want {
				t.Errorf("%s: the offer of %s holds: %v, want %v", when, profile, got, want)
			}
		}
		s.again(23 * time.Hour)
		s.must(s.profiles.SweepOffers(ctx))
		s.swept()
		held("a day is not over", "maps", first.Hash, true)
		held("a day is not over", "MAPS", second.Hash, true)
		held("of another profile", "other", first.Hash, false)
		held("never offered", "maps", hashOf("x"), false)
		if r, err := s.profiles.Open(ctx, first.Hash); err != nil {
			t.Errorf("open: %v", err)
		} else if b, err := io.ReadAll(r); err != nil || hashOf(string(b)) != first.Hash || r.Close() != nil {
			t.Errorf("got %d bytes, error %v", len(b), err)
		}

		s.must(s.profiles.Remove(ctx, root, "other"))
		held("its profile is gone", "other", other.Hash, false)
		s.must(s.profiles.Add(ctx, root, onboard.Profile{Name: "other", Kind: onboard.OnConnection}))
		held("a new one of that name", "other", other.Hash, false)

		s.again(2 * time.Hour)
		held("a day is over", "maps", first.Hash, false)
		s.must(s.profiles.SweepOffers(ctx))
		s.again(2 * time.Hour)
		if got := s.swept(); got != 1 {
			t.Errorf("got %d files, want that of the profile alone", got)
		}
		for name, want := range map[string]store.Code{"empty": store.Invalid, "none": store.NotFound} {
			if _, err := s.profiles.Offer(ctx, root, name, nil); store.CodeOf(err) != want {
				t.Errorf("%s: got error %v, want %s", name, err, want)
			}
		}
		p, err := s.store.Audit(ctx, store.AuditQuery{Action: "profile.send"})
		s.must(err)
		if len(p.Entries) != 4 || p.Entries[3].Subject != "Maps" || p.Entries[3].Detail != "A, B" {
			t.Errorf("audit: got %+v", p.Entries)
		}
	})
}

func (s *shelf) read(a *onboard.Archive) string {
	s.Helper()
	r := a.Open(func(hash string) (io.ReadSeekCloser, error) { return s.profiles.Open(s.Context(), hash) })
	defer r.Close()
	b, err := io.ReadAll(r)
	s.must(err)
	return string(b)
}

func TestProfilePreferences(t *testing.T) {
	b := newBed(t)
	boss, op := b.admin(), b.user("op", "operator")
	boss.do("POST", "profiles", obj{"name": "start", "kind": "enrollment"}).is(201)
	if got := string(op.get("profiles/start/preferences").is(200).body); got != "{}\n" {
		t.Errorf("none: got %q", got)
	}
	const prefs = `{"a":"7","b":true,"c":-3,"d":3000000000,"e":1.5,"f":2.0,"g":["x","y"]}`
	boss.do("PUT", "profiles/start/preferences", prefs, "Content-Type", "application/json").is(200)
	if got := string(op.get("profiles/start/preferences").is(200).body); got != prefs+"\n" {
		t.Errorf("got %s, want %s", got, prefs)
	}
	file := string(op.get("profiles/start/files/preferences.pref").is(200).body)
	for _, want := range []string{
		`<entry key="a" class="class java.lang.String">7<`, `<entry key="c" class="class java.lang.Integer">-3<`,
		`<entry key="d" class="class java.lang.Long">3000000000<`, `<entry key="f" class="class java.lang.Float">2<`, `<element>x</element>`,
	} {
		if !strings.Contains(file, want) {
			t.Errorf("there is no %s in %s", want, file)
		}
	}
	for _, tt := range []struct {
		name, body string
		status     int
		words      string
	}{
		{"no object", `[]`, 400, "body"},
		{"nothing", ``, 400, "body"},
		{"type", `{"x":null,"y":{}}`, 400, "preference y"},
		{"text", `{"x":"a\nb"}`, 400, "control character"},
		{"too large", `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "larger than 1 MiB"},
	} {
		boss.do("PUT", "profiles/start/preferences", tt.body).refused(tt.status, tt.words)
	}
	boss.do("PUT", "profiles/none/preferences", `{}`).refused(404, "none")
	op.get("profiles/none/preferences").refused(404, "none")
	if got := string(op.get("profiles/start/preferences").is(200).body); got != prefs+"\n" {
		t.Errorf("after refusals: got %s", got)
	}
	// None at all removes the file.
	for range 2 {
		boss.do("PUT", "profiles/start/preferences", `{}`).is(200)
	}
	op.get("profiles/start/files/preferences.pref").refused(404, "preferences.pref")

	// What JSON cannot say is not lost: another upload is asked for.
	boss.do("PUT", "profiles/start/files/preferences.pref", `<preferences><preference version="1" name="cot_streams"/></preferences>`).is(200)
	op.get("profiles/start/preferences").refused(409, "cot_streams")
	boss.do("PUT", "profiles/start/files/preferences.pref", "\x00").is(200)
	op.get("profiles/start/preferences").refused(409, "uploaded")
}

// TestProfileFileParts: a file comes in parts, and not at all to who has it.
func TestProfileFileParts(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	boss.do("POST", "profiles", obj{"name": "maps", "kind": "enrollment"}).is(201)
	boss.do("PUT", "profiles/maps/files/a", "0123456789").is(200)
	tag := boss.get("profiles/maps/files/a").is(200).header.Get("ETag")
	if tag != `"`+hashOf("0123456789")+`"` {
		t.Errorf("got the tag %s", tag)
	}
	if got := boss.do("GET", "profiles/maps/files/a", nil, "Range", "bytes=3-5").is(206); string(got.body) != "345" {
		t.Errorf("got %q", got.body)
	}
	if got := boss.do("GET", "profiles/maps/files/a", nil, "If-None-Match", tag).is(304); len(got.body) > 0 {
		t.Errorf("got %q", got.body)
	}
}
