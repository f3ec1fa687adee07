package onboard

import (
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

// LandingData is what a landing page shows.
type LandingData struct {
	Reach   Reach
	User    string    // login name; empty: there is none yet
	Token   string    // what the app takes for a password
	Expires time.Time // of the token; zero: never
	URL     string    // the page's own address, for its QR code; empty: no code
	// Packages has where on this server each client gets its package: an absolute
	// path or URL. A client may be missing.
	Packages map[For]Download
	// Public: the certificate of enrolment is publicly trusted. With the server's
	// own authority a phone must get a package first, and iTAK cannot enrol.
	Public    bool
	UserAgent string // of the request: its own app comes first and is open
}

// Download is a package that the page offers.
type Download struct {
	URL         string
	Certificate bool // it holds the user's certificate: nothing more to do after it; its page asks first
}

// way is one client's part of the page.
type way struct {
	App, Device string
	Open, Yours bool
	Warnings    []string
	Buttons     []button
	Steps       []string
	QR          template.URL
	Caption     string
}

type button struct {
	Text   string
	To     any  // a string, or a template.URL where the scheme is tak:
	File   bool // download it instead of opening it
	Second bool
}

// Landing writes the page. It goes with PageHeaders.
func Landing(w io.Writer, d LandingData) error {
	data := struct {
		Style                             template.CSS
		Title, Host, User, Token, Expires string
		Ways                              []way
		Page                              template.URL
		Desk                              bool
	}{Style: pageStyle, Title: d.Reach.Title(), Host: d.Reach.Host, User: d.User, Token: d.Token, Expires: until(d.Expires)}
	yours := Detect(d.UserAgent)
	order := []For{ATAK, ITAK, WinTAK}
	switch yours {
	case ITAK:
		order = []For{ITAK, ATAK, WinTAK}
	case WinTAK:
		order = []For{WinTAK, ATAK, ITAK}
	}
	for _, f := range order {
		v, err := d.way(f)
		if err != nil {
			return err
		}
		v.Yours = f == yours
		v.Open = v.Yours || yours == ""
		data.Ways = append(data.Ways, v)
	}
	if d.URL != "" {
		var err error
		if data.Page, err = picture(d.URL); err != nil {
			return err
		}
		data.Desk = !isPhone(d.UserAgent)
	}
	return write(w, "landing.html", data)
}

// Gone writes the page for a code that is not good any more.
func Gone(w io.Writer, r Reach) error {
	return write(w, "gone.html", struct {
		Style template.CSS
		Title string
	}{pageStyle, r.Title()})
}

func isPhone(agent string) bool {
	return slices.ContainsFunc([]string{"Android", "iPhone", "iPad", "iPod"}, func(s string) bool { return strings.Contains(agent, s) })
}

// Detect guesses the client from the User-Agent of a browser: by the system, as
// the apps themselves do not show these pages. An iPad calls itself a Mac, which
// has no client of its own.
func Detect(agent string) For {
	switch {
	case strings.Contains(agent, "Android"):
		return ATAK
	case strings.Contains(agent, "iPhone"), strings.Contains(agent, "iPad"), strings.Contains(agent, "iPod"), strings.Contains(agent, "Macintosh"):
		return ITAK
	case strings.Contains(agent, "Windows"):
		return WinTAK
	}
	return ""
}
