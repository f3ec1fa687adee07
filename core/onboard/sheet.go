package onboard

import (
	"fmt"
	"html/template"
	"io"
	"time"
)

// Entry is one card of a sheet.
type Entry struct {
	Reach    Reach
	User     string // login name; empty: a code for several people
	FullName string
	Token    string    // what the app takes for a password
	URL      string    // of the landing page; empty: LandingURL of the token
	Expires  time.Time // zero: never
	Public   bool      // the page's certificate is publicly trusted: browsers do not warn
}

// MostCards bounds a sheet: each code is a picture in the page.
const MostCards = 1000

// Sheet writes a page to print, one card for each entry. It goes with
// PageHeaders, and also opens from a file.
func Sheet(w io.Writer, list []Entry) error {
	if len(list) > MostCards {
		return fmt.Errorf("sheet: %d cards, the limit is %d", len(list), MostCards)
	}
	type card struct {
		Who, Title, Host, User, Token, Expires string
		QR                                     template.URL
		Warned                                 bool
	}
	data := struct {
		Style template.CSS
		Cards []card
	}{Style: sheetStyle}
	for _, e := range list {
		if e.URL == "" {
			e.URL = LandingURL(e.Reach, e.Token)
		}
		qr, err := picture(e.URL)
		if err != nil {
			return fmt.Errorf("sheet: card of %s: %w", e.User, err)
		}
		c := card{Who: e.FullName, Title: e.Reach.Title(), Host: e.Reach.Host, User: e.User, Token: e.Token, Expires: until(e.Expires), QR: qr, Warned: !e.Public}
		if c.Who == "" {
			c.Who = e.User
		}
		if c.Who == "" {
			c.Who = e.Reach.Title()
		}
		data.Cards = append(data.Cards, c)
	}
	return write(w, "sheet.html", data)
}
