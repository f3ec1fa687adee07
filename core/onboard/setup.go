package onboard

import (
	"io"
	"strings"
)

// HomeData is what the first page of a server shows.
type HomeData struct {
	Reach Reach
	Unset bool // nobody administers it yet
}

// Home writes the first page of a server, for people without a code. It goes with
// PageHeaders.
func Home(w io.Writer, d HomeData) error {
	return write(w, "home.html", struct {
		Style any
		Title string
		Unset bool
	}{pageStyle, d.Reach.Title(), d.Unset})
}

// SetupData is what the page shows that makes the first administrator.
type SetupData struct {
	Reach Reach
	User  string // who is reset, or what was typed before
	Fixed bool   // the name is not to be chosen
	Fault string // what was wrong with what was typed
	Done  bool   // there is an administrator now
	Gone  bool   // the link is not good any more
}

// Setup writes that page. Its form posts name, password and again to where the
// page is. It goes with PageHeaders, whose policy FormCSP then replaces.
func Setup(w io.Writer, d SetupData) error {
	return write(w, "setup.html", struct {
		SetupData
		Style any
		Title string
	}{d, pageStyle, d.Reach.Title()})
}

// Confirm writes the page that asks before a package with a certificate is made,
// which uses the code: browsers and messengers fetch links that nobody touched.
// Its form posts to where the page is. It goes with PageHeaders and FormCSP.
func Confirm(w io.Writer, r Reach, user, app string) error {
	return write(w, "confirm.html", struct {
		Style            any
		Title, User, App string
	}{pageStyle, r.Title(), user, app})
}

// FormCSP is PageCSP for a page with a form that posts to this server.
func FormCSP() string {
	return strings.Replace(PageCSP(), "form-action 'none'", "form-action 'self'", 1)
}
