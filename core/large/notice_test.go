package large

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

func TestNotice(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	for _, tt := range []struct {
		name, uid, from string
		groups          hostapi.SetID
		url, file       string
	}{
		{"plain", "abc-1", "ALPHA", 1, "https://tak.example.org/Marti/api/cot/xml/abc-1?event=99", "abc-1.cot"},
		{"odd uid", "a/b ä?&%", "Ann & \"Bob\"", 1, "https://tak.example.org/Marti/api/cot/xml/a%2Fb%20%C3%A4%3F&%25?event=99", "a_b ä_&%.cot"},
		{"dots", "..", "A", 1, "https://tak.example.org/Marti/api/cot/xml/%2E%2E?event=99", "_.cot"},
		{"longest", strings.Repeat("u", 1024), "A", 1, "https://tak.example.org/Marti/api/cot/xml/" + strings.Repeat("u", 1024) + "?event=99", strings.Repeat("u", 120) + ".cot"},
		{"by name", "x", "A", 0, "https://tak.example.org/Marti/api/cot/xml/x?event=99&key=", "x.cot"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := routed(t, 99, event("<detail><a/></detail>"))
			e.UID, e.Groups = tt.uid, tt.groups
			k := Of(e)
			n, err := k.Notice()
			if err != nil {
				t.Fatal(err)
			}
			xml, err := n.XML("https://tak.example.org", tt.from, at)
			if err != nil {
				t.Fatal(err)
			}
			var h cot.Header
			if err := cot.Scan(xml, &h); err != nil {
				t.Fatalf("%v: %s", err, xml)
			}
			if h.Type != "b-f-t-r" || h.Time != at.UnixMicro() || h.Stale != at.Add(100*time.Second).UnixMicro() || h.NumDests() != 0 {
				t.Errorf("header: got %+v", h)
			}
			if !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(h.UID) {
				t.Errorf("uid: got %q, want a fresh one", h.UID)
			}
			detail, err := cot.ParseDetail(xml, &h)
			if err != nil {
				t.Fatal(err)
			}
			share, _ := detail.Root().Child("fileshare")
			if _, ok := detail.Root().Child("marti"); !ok || !strings.HasSuffix(xml, "<marti/></detail></event>") {
				t.Errorf("no empty marti: %s", xml)
			}
			for name, want := range map[string]string{
				"senderUrl": tt.url + k.Key, "filename": tt.file, "name": tt.file, "sha256": k.Hash(), "senderUid": k.Hash(), "senderCallsign": tt.from,
			} {
				if got, _ := share.Attr(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if got, _ := share.Attr("sizeInBytes"); got != "182" {
				t.Errorf("sizeInBytes: got %s, want 182 (%d)", got, k.Body.Len())
			}
			if (k.Key != "") != (tt.groups == 0) {
				t.Errorf("key %q of an event of group set %d", k.Key, tt.groups)
			}
			u, err := url.Parse(tt.url)
			if err != nil || u.Path != "/Marti/api/cot/xml/"+tt.uid {
				t.Errorf("the address names %q, %v; want uid %q", u.Path, err, tt.uid)
			}
		})
	}
	t.Run("uid that is too long", func(t *testing.T) {
		e := routed(t, 99, event(""))
		e.UID = strings.Repeat("u", 1025)
		if _, err := Of(e).Notice(); err == nil || !strings.Contains(err.Error(), "1024") {
			t.Errorf("got %v", err)
		}
	})
}

func TestFileName(t *testing.T) {
	for uid, want := range map[string]string{
		"ANDROID-1":                    "ANDROID-1.cot",
		"../../etc/passwd":             "_.._etc_passwd.cot",
		`C:\x*?"<>|`:                   "C__x______.cot",
		"a\x01\u202eb\u200bc\uFFFD":    "a__b_c_.cot",
		" . ":                          "_.cot",
		"":                             "_.cot",
		"con":                          "_con.cot",
		"COM1.x":                       "_COM1.x.cot",
		"COM10":                        "COM10.cot",
		"lpt9 ":                        "_lpt9.cot",
		"Größe 日本":                     "Größe 日本.cot",
		strings.Repeat("é", 100):       strings.Repeat("é", 60) + ".cot",
		"x" + strings.Repeat("é", 100): "x" + strings.Repeat("é", 59) + ".cot",
	} {
		if got := FileName(uid); got != want {
			t.Errorf("%q: got %q, want %q", uid, got, want)
		}
	}
}
