package admin_test

import (
	"net/url"
	"testing"

	"github.com/takhost/takhost/core/admin"
)

// Names that differ in more than case for identity, but look alike to others,
// are all in the list, whatever the size of its pages.
func TestPagesMissNobody(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	want := map[string]bool{"boss": true}
	for _, name := range []string{"ix", "\u0131x", "\u0130x", "Anna", "anna2", "Zed"} {
		boss.do("POST", "users", obj{"name": name}).is(201)
		want[name] = true
	}
	path := "users?limit=1"
	for range 20 {
		page := read[admin.UserPage](boss, path)
		for _, u := range page.Users {
			delete(want, u.Name)
		}
		if page.Next == "" {
			break
		}
		path = "users?limit=1&after=" + url.QueryEscape(page.Next)
	}
	if len(want) > 0 {
		t.Errorf("not in the list: %v", want)
	}
}
