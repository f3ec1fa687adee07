package admin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/identity"
)

func yes() *bool { v := true; return &v }
func no() *bool  { v := false; return &v }

func TestUsers(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	boss.do("POST", "groups", obj{"name": "Blue"}).is(201)

	var ann admin.User
	boss.do("POST", "users", obj{
		"name": "Ann", "full_name": "Ann Example", "password": "correct horse battery", "team": "Cyan",
		"groups": []obj{{"group": "Blue", "out": false}}, "expires": "2127-01-01T00:00:00Z",
	}).is(201).into(&ann)
	end := time.Date(2127, 1, 1, 0, 0, 0, 0, time.UTC)
	want := admin.User{
		Name: "Ann", FullName: "Ann Example", Roles: []string{"user"}, Groups: []admin.Membership{{Group: "Blue", In: yes(), Out: no()}},
		HasPassword: true, Team: "Cyan", Expires: &end, Created: ann.Created, Changed: ann.Changed, UID: ann.UID,
	}
	same(t, want, ann)
	if len(ann.UID) != 36 || ann.Created.IsZero() {
		t.Errorf("uid %q, created %v", ann.UID, ann.Created)
	}
	same(t, want, read[admin.User](boss, "users/ann"))

	boss.do("POST", "users", obj{"name": "ANN"}).refused(409, "a user Ann already")
	boss.do("POST", "users", obj{"name": "a/b"}).refused(400, "must not be in a name")
	boss.do("POST", "users", obj{"name": "ben", "groups": []obj{{"group": "Red"}}}).refused(400, "Red")
	boss.do("POST", "users", obj{"name": "ben", "groups": []obj{{"group": "Blue", "in": false, "out": false}}}).refused(400, "neither in nor out")
	boss.do("POST", "users", obj{"name": "ben", "groups": []obj{{"group": "Blue"}, {"group": "Blue"}}}).refused(400, "twice")
	boss.do("POST", "users", obj{"name": "ben", "roles": []string{"king"}}).refused(400, "expected value to be one of")
	boss.do("POST", "users", obj{"name": "ben", "prot": 1}).refused(400, "prot")
	boss.do("POST", "users?wait=1", obj{"name": "ben"}).refused(400, "unknown query parameter")
	boss.do("POST", "users", "{").refused(400, "")
	boss.get("users/ben").refused(404, "there is no user ben")

	var changed admin.User
	boss.do("PATCH", "users/ann", obj{"full_name": "Ann E.", "expires": "", "groups": []obj{}}).is(200).into(&changed)
	want.FullName, want.Expires, want.Groups, want.Changed = "Ann E.", nil, []admin.Membership{}, changed.Changed
	same(t, want, changed)
	boss.do("PATCH", "users/ann", obj{"expires": "soon"}).refused(400, "is no time")
	boss.do("PATCH", "users/ben", obj{}).refused(404, "ben")
	boss.do("PATCH", "users/boss", obj{"roles": []string{"user"}}).refused(409, "")
	boss.do("PATCH", "users/boss", obj{"disabled": true}).refused(409, "")
	boss.do("DELETE", "users/boss", nil).refused(409, "")

	if _, err := b.ids.Login(t.Context(), "ann", "correct horse battery", "192.0.2.1"); err != nil {
		t.Errorf("login: %v", err)
	}
	boss.do("PUT", "users/ann/password", obj{"password": "another long password"}).is(204)
	if _, err := b.ids.Login(t.Context(), "ann", "another long password", "192.0.2.1"); err != nil {
		t.Errorf("login after the change: %v", err)
	}
	boss.do("PUT", "users/ben/password", obj{"password": "another long password"}).refused(404, "ben")

	boss.do("DELETE", "users/ann", nil).is(204)
	boss.do("DELETE", "users/ann", nil).refused(404, "ann")
}

func TestUserList(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	boss.do("POST", "groups", obj{"name": "Blue"}).is(201)
	var people []identity.NewUser
	for i := range 25 {
		u := identity.NewUser{User: identity.User{Name: fmt.Sprintf("User %02d", i)}}
		if i < 5 {
			u.Groups = []identity.Membership{{Group: "Blue", In: true, Out: true}}
		}
		people = append(people, u)
	}
	_, err := b.ids.AddUsers(t.Context(), root, people)
	b.must(err)
	var names []string
	after := ""
	for {
		page := read[admin.UserPage](boss, "users?limit=10&after="+strings.ReplaceAll(after, " ", "%20"))
		for _, u := range page.Users {
			names = append(names, u.Name)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if len(names) != 26 || names[0] != "boss" || names[25] != "User 24" {
		t.Errorf("got %q", names)
	}
	for query, want := range map[string]int{"group=Blue": 5, "group=__ANON__": 21, "role=admin": 1, "role=operator": 0, "limit=3": 3} {
		if got := len(read[admin.UserPage](boss, "users?"+query).Users); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
	boss.get("users?limit=0").refused(400, "limit")
}

// TestNamesInPaths walks names that paths write otherwise.
func TestNamesInPaths(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	for _, name := range []string{"ann@example.org", "Ann Example", "Jürgen", "Анна", "a.b-c_d", "import"} {
		boss.do("POST", "users", obj{"name": name}).is(201)
		for _, path := range []string{name, fmt.Sprintf("%%%x", name[:1]) + strings.ReplaceAll(name[1:], " ", "%20")} {
			if name[0] >= 0x80 && path != name {
				continue
			}
			if got := read[admin.User](boss, "users/"+strings.ReplaceAll(path, " ", "%20")); got.Name != name {
				t.Errorf("%s: got %q", path, got.Name)
			}
		}
	}
}

func TestGroups(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	var blue admin.Group
	boss.do("POST", "groups", obj{"name": "Blue", "description": "the first"}).is(201).into(&blue)
	same(t, admin.Group{ID: 2, Name: "Blue", Description: "the first", Created: blue.Created}, blue)
	boss.do("POST", "groups", obj{"name": "blue"}).refused(409, "already")
	boss.do("POST", "users", obj{"name": "ann", "groups": []obj{{"group": "Blue"}}}).is(201)
	boss.do("POST", "profiles", obj{"name": "maps", "kind": "enrollment", "groups": []string{"Blue"}}).is(201)

	if got := read[admin.Group](boss, "groups/blue"); got.Users != 1 {
		t.Errorf("users: %d", got.Users)
	}
	boss.do("PATCH", "groups/Blue", obj{"name": "Navy"}).is(200).into(&blue)
	if blue.Name != "Navy" || blue.ID != 2 || blue.Description != "the first" || blue.Users != 1 {
		t.Errorf("got %+v", blue)
	}
	same(t, []string{"Navy"}, read[admin.Profile](boss, "profiles/maps").Groups)
	list := read[admin.GroupPage](boss, "groups").Groups
	if len(list) != 2 || list[0].Name != "__ANON__" || list[0].ID != 1 || list[0].Users != 1 || list[1].Name != "Navy" {
		t.Errorf("got %+v", list)
	}
	boss.do("DELETE", "groups/__ANON__", nil).refused(409, "always there")
	boss.do("DELETE", "groups/Navy", nil).refused(409, "only group of 1: ann")
	boss.do("PATCH", "users/ann", obj{"groups": []obj{}}).is(200)
	boss.do("DELETE", "groups/Navy", nil).is(204)
	boss.get("groups/Navy").refused(404, "Navy")
}

func TestTokens(t *testing.T) {
	b := newBed(t)
	boss, ann := b.admin(), b.user("ann")
	var made admin.NewToken
	ann.do("POST", "tokens", obj{"name": "weather station"}).is(201).into(&made)
	if made.User != "ann" || made.Weak || len(made.Secret) < 40 {
		t.Errorf("got %+v", made)
	}
	if me := read[admin.Me](b.with(made.Secret), "me"); me.User != "ann" {
		t.Errorf("the token is %s's", me.User)
	}
	if got := ann.get("tokens").is(200); strings.Contains(string(got.body), made.Secret) {
		t.Error("the secret is told again")
	}
	own := func(c *caller, query string) (n int) {
		for range read[admin.TokenPage](c, "tokens"+query).Tokens {
			n++
		}
		return n
	}
	if got := own(ann, ""); got != 2 {
		t.Errorf("ann sees %d tokens", got)
	}
	if all, hers := own(boss, ""), own(boss, "?user=ANN"); all != 3 || hers != 2 {
		t.Errorf("the administrator sees %d, %d of them ann's", all, hers)
	}
	ann.get("tokens?user=boss").refused(403, "only their own")
	ann.do("POST", "tokens", obj{"user": "boss"}).refused(403, "only their own")
	boss.do("POST", "tokens", obj{"user": "nobody"}).refused(404, "nobody")
	boss.do("POST", "tokens", obj{"user": "ann", "expires": "2001-01-01T00:00:00Z"}).refused(400, "over")
	his := b.ids.Tokens("boss")[0].ID
	ann.do("DELETE", "tokens/"+his, nil).refused(404, his)
	ann.do("DELETE", "tokens/"+made.ID, nil).is(204)
	b.with(made.Secret).get("me").refused(401, "")
	boss.do("DELETE", "tokens/"+b.ids.Tokens("ann")[0].ID, nil).is(204)
}
