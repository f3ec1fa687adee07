package tests

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/plugins/dist"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// profile adds a device profile with files, by name and content.
func profile(t *testing.T, a *taktest.Admin, name, kind, tool string, groups []string, files ...string) {
	t.Helper()
	a.Must(t, "POST", "/api/v1/profiles", admin.NewProfile{Name: name, ProfileInput: admin.ProfileInput{Kind: kind, Tool: tool, Groups: groups}})
	for i := 0; i+1 < len(files); i += 2 {
		a.Must(t, "PUT", "/api/v1/profiles/"+url.PathEscape(name)+"/files/"+url.PathEscape(files[i]), []byte(files[i+1]))
	}
}

// withoutFeatures gives arguments for a server of the program itself whose plugins
// are off: what they take while they start is not of interest.
func withoutFeatures() (args []string) {
	for _, name := range features {
		if _, err := fs.Stat(dist.Files(), name+".takplugin"); err == nil {
			args = append(args, "--set", "plugins."+name+".enabled=false")
		}
	}
	return args
}

// TestProfilesByGroup: a device gets the files of its groups when it enrols, connects
// and asks, and those of another group by none of the ways. No plugin is there.
func TestProfilesByGroup(t *testing.T) {
	t.Parallel()
	srv := wholeServer(t)
	addGroups(t, srv.Admin, "Blue", "Red")
	addUser(t, srv.Admin, "anna", memberOf("Blue")...)
	addUser(t, srv.Admin, "bert", memberOf("Red")...)
	for _, kind := range []string{"enrollment", "connection", "tool"} {
		tool := ""
		if kind == "tool" {
			tool = "maps"
		}
		for _, group := range []string{"Blue", "Red", ""} {
			groups, name := []string{group}, kind+"-"+group
			if group == "" {
				groups, name = nil, kind+"-all"
			}
			profile(t, srv.Admin, name, kind, tool, groups, "of "+name+".txt", "the content of "+name)
		}
		srv.Must(t, "PUT", "/api/v1/profiles/"+kind+"-Blue/preferences", map[string]any{"locationTeam": "Blue of " + kind})
	}
	anna, bert := enrol(t, srv, "anna", "ANDROID-ANNA"), enrol(t, srv, "bert", "ANDROID-BERT")
	// Nothing in a package is compressed, so its bytes have the content of its files.
	holds := func(what, body string, want ...string) {
		t.Helper()
		for _, kind := range []string{"enrollment", "connection", "tool"} {
			for _, group := range []string{"Blue", "Red", "all"} {
				name := kind + "-" + group
				if has := strings.Contains(body, "the content of "+name); has != slices.Contains(want, name) {
					t.Errorf("%s: has the file of %s: %v", what, name, has)
				}
			}
		}
	}
	holds("anna's enrolment", string(anna.Profile), "enrollment-Blue", "enrollment-all")
	holds("bert's enrolment", string(bert.Profile), "enrollment-Red", "enrollment-all")
	if files := unzip(t, anna.Profile); len(files) != 5 { // manifest, two files, preferences, channels
		t.Errorf("anna's enrolment: got %d files", len(files))
	}
	if !strings.Contains(string(anna.Profile), "Blue of enrollment") || strings.Contains(string(bert.Profile), "Blue of") {
		t.Error("preferences at enrolment: anna has none, or bert has anna's")
	}

	const devices, tls = "/Marti/api/device/profile", "/Marti/api/tls/profile"
	callers := map[string][]*asker{
		"Blue": {askAt(t, srv, "https").certificate(anna.Cert), askAt(t, srv, "web").token(newToken(t, srv.Admin, "anna"))},
		"Red":  {askAt(t, srv, "https").certificate(bert.Cert), askAt(t, srv, "web").token(newToken(t, srv.Admin, "bert"))},
		"":     {askAt(t, srv, "http")},
	}
	for group, list := range callers {
		for _, a := range list {
			mine := func(kind string) []string { return []string{kind + "-" + group, kind + "-all"} }
			for kind, path := range map[string]string{
				"connection": devices + "/connection?syncSecago=-1&clientUid=X", "tool": devices + "/tool/maps?clientUid=X", "enrollment": tls + "/enrollment?clientUid=X",
			} {
				if kind == "enrollment" && !strings.HasPrefix(a.base, "https://"+srv.Addr("web")) {
					continue
				}
				holds(a.base+path, a.get(path).is(200).body, mine(kind)...)
			}
			for _, other := range []string{"Blue", "Red", "all"} {
				for _, kind := range []string{"enrollment", "connection", "tool"} {
					name := kind + "-" + other
					r, want := a.get(devices+"/"+name+"/missionpackage"), 404
					if other == group || other == "all" {
						want = 200
						holds(name, r.body, name)
					}
					if r.is(want); want == 404 && strings.Contains(r.body, "content of") {
						t.Errorf("%s: got %s", r.what, r.body)
					}
					if r := a.ask("HEAD", devices+"/"+name+"/missionpackage", "", ""); r.status != want {
						t.Errorf("%s: got %d, want %d", r.what, r.status, want)
					}
					a.get(devices + "/" + name).is(403)
					a.get(devices + "/" + name + "/file/1").is(403)
					if kind != "tool" {
						continue
					}
					for _, base := range []string{devices, tls} {
						if base == tls && !strings.HasPrefix(a.base, "https://"+srv.Addr("web")) {
							continue
						}
						path := "/tool/maps/file?clientUid=X&relativePath=/of%20" + name + ".txt"
						if r := a.get(base + path); want == 200 {
							holds(r.what, r.is(200).body, name)
						} else {
							r.is(404)
						}
					}
				}
			}
		}
	}

	// A channel that is switched off is as a group that one is not in.
	phone := askAt(t, srv, "https").certificate(anna.Cert)
	choose(t, phone, anna.UID, func(name string) bool { return name != "Blue" })
	holds("channel off", phone.get(devices+"/connection?clientUid=X").is(200).body, "connection-all")
	phone.get(devices + "/connection-Blue/missionpackage").is(404)
	choose(t, phone, anna.UID, func(string) bool { return true })
	holds("channel on", phone.get(devices+"/connection?clientUid=X").is(200).body, "connection-Blue", "connection-all")
}

// TestSendProfile: clients of the profile's groups are told where to fetch it, and
// what they get is what they were told of.
func TestSendProfile(t *testing.T) {
	t.Parallel()
	srv := wholeServer(t)
	addGroups(t, srv.Admin, "Blue", "Red")
	addUser(t, srv.Admin, "anna", memberOf("Blue")...)
	addUser(t, srv.Admin, "bert", memberOf("Red")...)
	addRole(t, srv.Admin, "chief", "admin", "")
	profile(t, srv.Admin, "Map of town", "connection", "", []string{"Blue", "__ANON__"}, "a.txt", "the first text")
	phones := map[string]*takclient.Enrolled{"anna": issue(t, srv.Admin, "anna", false), "bert": issue(t, srv.Admin, "bert", false)}
	anna := online(t, srv, phones["anna"], takclient.WithUID("A-1"), takclient.WithProto())
	bert := online(t, srv, phones["bert"], takclient.WithUID("B-1"))
	plain := takclient.Dial(t, srv.Addr("tcp"), takclient.WithUID("P-1"))
	for i, c := range []*takclient.Client{anna, bert, plain} {
		takclient.Must(t, c.SA(47, float64(i)))
		c.Sync(t)
	}

	boss := askAt(t, srv, "web").token(newToken(t, srv.Admin, "chief"))
	const path = "/Marti/api/device/profile/Map%20of%20town"
	var answer struct{ Data []string }
	boss.json("POST", path+"/send", []string{"A-1", "B-1", "P-1", "N-1"}).is(200).into(&answer)
	if want := []string{"B-1", "N-1"}; !slices.Equal(answer.Data, want) {
		t.Errorf("not reached: got %v, want %v", answer.Data, want)
	}
	srv.Must(t, "PUT", "/api/v1/profiles/Map%20of%20town/files/a.txt", []byte("another text"))
	for name, tt := range map[string]struct {
		client *takclient.Client
		base   string
		as     *asker
	}{
		"by TLS": {anna, "https://" + publicName, askAt(t, srv, "https").certificate(phones["anna"].Cert)},
		"plain":  {plain, "http://" + publicName, askAt(t, srv, "http")},
	} {
		r := tt.client.ExpectType(t, "b-f-t-r")
		tree, err := cot.ParseDetail(r.XML, &r.Header)
		if err != nil {
			t.Fatal(err)
		}
		share, ok := tree.Root().Child("fileshare")
		attr := func(name string) string { v, _ := share.Attr(name); return v }
		link, err := url.Parse(attr("senderUrl"))
		if !ok || err != nil || !strings.HasPrefix(attr("senderUrl"), tt.base) || attr("name") != "Map of town" {
			t.Fatalf("%s: got %s, error %v", name, r.XML, err)
		}
		got := tt.as.get(link.RequestURI()).is(200)
		sum := sha256.Sum256([]byte(got.body))
		if hex.EncodeToString(sum[:]) != attr("sha256") || fmt.Sprint(len(got.body)) != attr("sizeInBytes") || !strings.Contains(got.body, "the first text") {
			t.Errorf("%s: got %d bytes, not what %s tells", name, len(got.body), r.XML)
		}
		askAt(t, srv, "https").certificate(phones["bert"].Cert).get(link.RequestURI()).is(404)
	}
	// Whoever is in none of its groups was not told.
	bert.Sync(t)
	if n := bert.Count(takclient.Type("b-f-t-r")); n > 0 {
		t.Errorf("bert was told %d times", n)
	}
	boss.json("POST", path+"/send", []string{"B-1"}).is(404)
	if e := audited(t, srv.Admin, "profile.send", "Map of town"); e.User != "chief" || !e.OK {
		t.Errorf("audit: got %+v", e)
	}
}

// TestProfileKill: a server that is killed while files are put into profiles has all
// that it answered for, whole, and nothing is left of the rest.
func TestProfileKill(t *testing.T) {
	t.Parallel()
	srv := taktest.Run(t, withoutFeatures()...)
	for _, name := range []string{"one", "two"} {
		profile(t, srv.Admin, name, "connection", "", nil)
	}
	type put struct{ name, file string }
	answered := map[put]content{}
	for round := range 3 {
		done := make(chan struct{})
		puts := make(chan put)
		go func() {
			defer close(done)
			for n := 0; ; n++ {
				p := put{[]string{"one", "two"}[n%2], fmt.Sprint("f", n%7)}
				c := content{uint64(round*1000 + n), int64(100_000 + n*1001)}
				req, err := http.NewRequestWithContext(context.Background(), "PUT", "http://takhost/api/v1/profiles/"+p.name+"/files/"+p.file, c.reader())
				if err != nil {
					return
				}
				delete(answered, p) // one or the other, from now on
				resp, err := srv.HTTP().Do(req)
				if err != nil {
					return
				}
				resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("got %s", resp.Status)
					return
				}
				answered[p] = c
				select {
				case puts <- p:
				case <-time.After(takclient.DefaultWait):
					return
				}
			}
		}()
		for range 12 + round {
			<-puts
		}
		go func() { // the next one may be answered before the kill
			for {
				select {
				case <-puts:
				case <-done:
					return
				}
			}
		}()
		srv.Kill9(t)
		<-done
		srv.Restart(t)
		for p, c := range answered {
			var v admin.Profile
			srv.Must(t, "GET", "/api/v1/profiles/"+p.name, nil).Decode(t, &v)
			i := slices.IndexFunc(v.Files, func(f admin.ProfileFile) bool { return f.Name == p.file })
			if i < 0 || v.Files[i].Hash != c.hash() || v.Files[i].Size != c.size {
				t.Errorf("round %d: %v was answered for: got %+v", round, p, v.Files)
			}
		}
		for _, name := range []string{"one", "two"} {
			var v admin.Profile
			srv.Must(t, "GET", "/api/v1/profiles/"+name, nil).Decode(t, &v)
			for _, f := range v.Files {
				body := srv.Must(t, "GET", "/api/v1/profiles/"+name+"/files/"+f.Name, nil).Body
				if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != f.Hash || int64(len(body)) != f.Size {
					t.Errorf("round %d: file %s of %s: got %d bytes, want %+v", round, f.Name, name, len(body), f)
				}
			}
		}
		for _, name := range filesIn(t, srv.Data) {
			if strings.Contains(name, "part") {
				t.Errorf("round %d: there are remains: %s", round, name)
			}
		}
	}
	want := map[string]bool{}
	for _, name := range []string{"one", "two"} {
		var v admin.Profile
		srv.Must(t, "GET", "/api/v1/profiles/"+name, nil).Decode(t, &v)
		for _, f := range v.Files {
			want[f.Hash] = true
		}
	}
	if code := srv.Interrupt(t); code != 0 {
		t.Errorf("exit code: %d", code)
	}
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite", Dir: srv.Data, Now: func() time.Time { return time.Now().Add(2 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Blobs().Sweep(t.Context())
	n, _ := s.Blobs().Total()
	if cerr := s.Close(t.Context()); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if got := filesIn(t, srv.Data); len(got) != len(want) || n != int64(len(want)) {
		t.Errorf("after the sweep: got %d files, %d are counted, %d are needed", len(got), n, len(want))
	}
}
