package onboard

import (
	"bytes"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"
)

const (
	android = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/128.0 Mobile Safari/537.36"
	iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1"
	windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/128.0 Safari/537.36"
	linux   = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
)

func TestLanding(t *testing.T) {
	base := LandingData{
		Reach: reach, User: "ann", Token: "K7PX-22MD", URL: LandingURL(reach, "K7PX-22MD"),
		Expires: time.Date(2026, 11, 23, 13, 30, 0, 0, time.FixedZone("", 3600)),
	}
	enrol := map[For]Download{ATAK: {URL: "/enrol/K7PX-22MD/atak.zip"}, WinTAK: {URL: "/enrol/K7PX-22MD/wintak.zip"}}
	own := map[For]Download{ATAK: {"/a.zip", true}, WinTAK: {"/w.zip", true}, ITAK: {"/i.zip", true}}
	const link = `href="tak://com.atakmap.app/enroll?host=tak.example.org&username=ann&token=K7PX-22MD"`
	tests := []struct {
		name      string
		change    func(*LandingData)
		open      string // the clients whose part is open, in order
		want, not []string
	}{
		{
			"Android, public certificate", func(d *LandingData) { d.UserAgent, d.Public = android, true }, "ATAK",
			[]string{link, "Open in ATAK", "this device", "iTAK asks for user name and password"},
			[]string{"does not know this server's authority", "publicly trusted", ".zip"},
		},
		{
			"Android, own authority", func(d *LandingData) { d.UserAgent, d.Packages = android, enrol }, "ATAK",
			[]string{`href="/enrol/K7PX-22MD/atak.zip" download`, link, "after the package", "iTAK enrols only where the server's certificate is publicly trusted"},
			[]string{"Ask the operator for a data package."},
		},
		{
			"Android, own authority, package with certificate", func(d *LandingData) { d.UserAgent, d.Packages = android, own }, "ATAK",
			[]string{`href="/a.zip"`, `href="/i.zip"`, `href="/w.zip"`, "Upload server package"},
			[]string{link, "asks for user name"},
		},
		{
			"Android, own authority, no package", func(d *LandingData) { d.UserAgent = android }, "ATAK",
			[]string{"ATAK does not know this server's authority"},
			[]string{"tak://", ".zip"},
		},
		{"Android, enrolment at another port", func(d *LandingData) {
			d.UserAgent, d.Public, d.Packages, d.Reach.Enrol = android, true, enrol, 443
		}, "ATAK", []string{`href="/enrol/K7PX-22MD/atak.zip"`, "iTAK enrols only at port 8446, and this server has 443"}, nil},
		{
			"iPhone, public certificate", func(d *LandingData) { d.UserAgent, d.Public = iphone, true }, "iTAK",
			[]string{"Mountain rescue,tak.example.org,8089,SSL", "address tak.example.org, port 8089"},
			[]string{"iTAK enrols only"},
		},
		{
			"Windows", func(d *LandingData) { d.UserAgent, d.Packages = windows, enrol }, "WinTAK",
			[]string{`href="/enrol/K7PX-22MD/wintak.zip"`, "WinTAK asks for user name"},
			nil,
		},
		{"other system", func(d *LandingData) { d.UserAgent = linux }, "ATAK,iTAK,WinTAK", []string{"This page on another device"}, []string{"this device"}},
		{"no user agent, no address, no end", func(d *LandingData) { d.URL, d.Expires = "", time.Time{} }, "ATAK,iTAK,WinTAK", nil, []string{"This page on another", "good until"}},
		{"hostile text", func(d *LandingData) {
			d.User, d.Reach.Name, d.Token = `<script>alert(1)</script>`, `"><img src=x>`, `'"&<b>`
			d.Packages = map[For]Download{ATAK: {URL: "javascript:alert(1)"}}
		}, "ATAK,iTAK,WinTAK", nil, []string{"<script", "<img src=x", "<b>", "javascript:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := base
			tt.change(&d)
			var b bytes.Buffer
			if err := Landing(&b, d); err != nil {
				t.Fatal(err)
			}
			page := b.String()
			// For the search alone: in the page the entities stand, as they must.
			text := html.UnescapeString(strings.ReplaceAll(page, "&lt;", "&amp;lt;"))
			for _, w := range append(tt.want, "tak.example.org") {
				if !strings.Contains(text, w) {
					t.Errorf("the page lacks %q", w)
				}
			}
			for _, n := range tt.not {
				if strings.Contains(page, n) || strings.Contains(text, n) {
					t.Errorf("the page has %q", n)
				}
			}
			var open []string
			for _, m := range regexp.MustCompile(`<details open>\s*<summary>(\w+) <span`).FindAllStringSubmatch(page, -1) {
				open = append(open, m[1])
			}
			if got := strings.Join(open, ","); got != tt.open {
				t.Errorf("open are %q, want %q", got, tt.open)
			}
			checkPage(t, page)
		})
	}
	t.Run("until", func(t *testing.T) {
		var b bytes.Buffer
		if err := Landing(&b, base); err != nil {
			t.Fatal(err)
		}
		if want := "good until 23 November 2026, 12:30 UTC"; !strings.Contains(b.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	})
}

// checkPage looks for what the Content-Security-Policy would refuse, and for
// anything from elsewhere.
func checkPage(t *testing.T, page string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindAllStringSubmatch(page, -1) {
		if got := hashOf(pageStyle); m[1] == string(pageStyle) && strings.Contains(PageCSP(), got) {
			continue
		}
		if got := hashOf(sheetStyle); m[1] == string(sheetStyle) && strings.Contains(PageCSP(), got) {
			continue
		}
		t.Errorf("a style that is not in the policy: %.60q", m[1])
	}
	if m := regexp.MustCompile(`(?i)<script|\son\w+=|\sstyle=|<link|<iframe|<form`).FindString(page); m != "" {
		t.Errorf("the page has %q, which the policy refuses", m)
	}
	for _, m := range regexp.MustCompile(`src="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "data:image/png;base64,") {
			t.Errorf("a picture from %.60q", m[1])
		}
	}
}

func TestGone(t *testing.T) {
	var b bytes.Buffer
	if err := Gone(&b, reach); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "no longer good") {
		t.Errorf("got %s", b.String())
	}
	checkPage(t, b.String())
}

func TestSheet(t *testing.T) {
	var b bytes.Buffer
	list := []Entry{
		{Reach: reach, User: "ann", FullName: "Ann <Example>", Token: "K7PX", Expires: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Public: true},
		{Reach: reach, User: "bob", Token: "M2QT"},
		{Reach: reach, Token: "EVENT"},
	}
	if err := Sheet(&b, list); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if got := strings.Count(page, "<article>"); got != len(list) {
		t.Errorf("got %d cards, want %d", got, len(list))
	}
	for _, want := range []string{"3 cards", "Ann &lt;Example&gt;", "<h2>bob</h2>", "<h2>Mountain rescue</h2>", "<dd>K7PX</dd>", "23 November 2026, 12:00 UTC", "break-inside: avoid"} {
		if !strings.Contains(page, want) {
			t.Errorf("the sheet lacks %q", want)
		}
	}
	if got := strings.Count(page, "browser warns"); got != 2 {
		t.Errorf("got %d warnings of the browser, want those of the two that are not public", got)
	}
	checkPage(t, page)
	if err := Sheet(&b, make([]Entry, MostCards+1)); err == nil {
		t.Error("too many cards: no error")
	}
}

func TestPageHeaders(t *testing.T) {
	h := PageHeaders()
	for _, want := range []string{"default-src 'none'", "img-src data:", "frame-ancestors 'none'"} {
		if !strings.Contains(h["Content-Security-Policy"], want) {
			t.Errorf("policy %q lacks %q", h["Content-Security-Policy"], want)
		}
	}
	if strings.Contains(h["Content-Security-Policy"], "unsafe") || h["Cache-Control"] != "no-store" || h["Referrer-Policy"] != "no-referrer" {
		t.Errorf("got %v", h)
	}
}

func TestDetect(t *testing.T) {
	tests := []struct {
		agent string
		want  For
	}{
		{android, ATAK},
		{iphone, ITAK},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15", ITAK}, // an iPad says so
		{windows, WinTAK},
		{linux, ""},
		{"", ""},
	}
	for _, tt := range tests {
		t.Run(tt.agent, func(t *testing.T) {
			if got := Detect(tt.agent); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
