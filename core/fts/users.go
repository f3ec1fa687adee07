package fts

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/takhost/takhost/core/identity"
)

const (
	deviceMobile = "mobile"
	deviceWinTAK = "wintak"

	// deviceAPI marks what /APIUser made: API users of FreeTAKServer are no system
	// users.
	deviceAPI = "api"

	// tokenName and apiTokenName tell the tokens that are set here from others.
	tokenName    = "FreeTAKServer system user"
	apiTokenName = "FreeTAKServer API user"

	exampleUID = "5d2a1f4e-8f1e-4a63-9f0c-1a2b3c4d5e6f"
)

// systemUser is a user as FreeTAKServer lists it. Password and Token are never
// told: its web interface masks them, and sends nothing back when they are empty.
type systemUser struct {
	Name       string
	Group      string
	Token      string
	Password   string
	Certs      *string // name of the package, or null
	Uid        string
	DeviceType string
}

func systemUserOf(u identity.User) systemUser {
	out := systemUser{Name: u.Name, Group: u.Team, Uid: uidOf(u), DeviceType: u.Device}
	if u.Package != "" {
		out.Certs = &u.Package
	}
	return out
}

// uidOf gives what the API calls a user. Those who were not made by it may have
// no uid, but have a name.
func uidOf(u identity.User) string {
	if u.UID != "" {
		return u.UID
	}
	return u.Name
}

// byUID finds a user by what uidOf gives.
func (r registrar) byUID(uid string) (identity.User, bool) {
	users := r.d.Identity.Users()
	for _, match := range []func(identity.User) bool{
		func(u identity.User) bool { return u.UID == uid },
		func(u identity.User) bool { return u.UID == "" && u.Name == uid },
	} {
		if i := slices.IndexFunc(users, match); uid != "" && i >= 0 {
			return users[i], true
		}
	}
	return identity.User{}, false
}

// systemUsers declares /ManageSystemUser (spec/rest.md 3.1).
func (r registrar) systemUsers() {
	const base = "/ManageSystemUser/"

	r.add(operators(r.op("GET", base+"getAll", "system-users", "All users",
		"Group is the team colour, Certs the name of a package at /api/v1/connection-packages. Passwords and tokens are not told.", jsonType)),
		func(context.Context, *Request) *Reply { return r.list(func(identity.User) bool { return true }) })

	r.addBody(operators(r.op("GET", base+"getSystemUser", "system-user", "Users that fit",
		"By any of uid, name, group, device_type and certificate_package_name. Passwords and tokens cannot be searched for.", jsonType)),
		object("uid", "name", "group", "device_type", "certificate_package_name"), r.find)

	post := admins(r.op("POST", base+"postSystemUser", "system-user-add", "Add users",
		"Certs true makes a certificate and a package, which the user can fetch at /api/v1/connection-packages. Users get the role user.", jsonType))
	post.DefaultStatus = http.StatusCreated
	post.Responses["201"] = answers("Created, or some of them: see the message", jsonType)
	delete(post.Responses, "200")
	r.addBody(post, listed("systemUsers", map[string]any{"Name": "ann", "Group": "Yellow", "Token": "", "Password": "correct horse battery", "Certs": "true", "DeviceType": "mobile"},
		"Name", "Group", "Token", "Password", "Certs", "DeviceType"), r.addUsers)

	r.addBody(admins(r.op("PUT", base+"putSystemUser", "system-user-set", "Change users", "What is left out or empty stays.", jsonType)),
		listed("systemUsers", map[string]any{"uid": exampleUID, "Group": "Red"}, "uid", "Token", "Password", "Group"), r.setUsers)

	r.addBody(admins(r.op("DELETE", base+"deleteSystemUser", "system-user-remove", "Remove users",
		"With their certificates, which are revoked, and packages. Who is gone already is no error.", jsonType)),
		listed("systemUsers", map[string]any{"uid": exampleUID}, "uid"), r.removeUsers)
}

func (r registrar) list(fits func(identity.User) bool) *Reply {
	list := []systemUser{}
	for _, u := range r.d.Identity.Users() {
		if u.Device != deviceAPI && fits(u) {
			list = append(list, systemUserOf(u))
		}
	}
	return asJSON(http.StatusOK, struct{ SystemUsers []systemUser }{list})
}

func (r registrar) find(_ context.Context, q *Request) *Reply {
	var f struct {
		UID      *loose `json:"uid"`
		Name     *loose `json:"name"`
		Group    *loose `json:"group"`
		Token    *loose `json:"token"`
		Password *loose `json:"password"`
		Device   *loose `json:"device_type"`
		Package  *loose `json:"certificate_package_name"`
	}
	const failure = "An error occured attempting to retrieve user."
	if len(strings.TrimSpace(string(q.body))) > 0 {
		if err := q.decode(&f); err != nil {
			return text(http.StatusInternalServerError, failure)
		}
	}
	if f.Token != nil || f.Password != nil {
		// An answer would tell whose they are.
		return text(http.StatusInternalServerError, failure)
	}
	return r.list(func(u identity.User) bool {
		return f.UID.is(uidOf(u)) && f.Name.is(u.Name) && f.Group.is(u.Team) && f.Device.is(u.Device) && f.Package.is(u.Package)
	})
}

// is says whether a filter lets a value pass; one that is not set does.
func (l *loose) is(v string) bool { return l == nil || string(*l) == v }
