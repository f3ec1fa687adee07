package fts_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/identity"
)

const base = "/ManageSystemUser/"

// systemUser is what FreeTAKServer's clients read.
type systemUser struct {
	Name, Group, Token, Password string
	Certs                        *string
	Uid, DeviceType              string
}

// list reads all users but the callers of the test.
func list(c *caller, path, filter string) map[string]systemUser {
	c.b.t.Helper()
	got := c.do("GET", base+path, filter)
	var body struct{ SystemUsers []systemUser }
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != 200 || got.contentType != asJSON || body.SystemUsers == nil {
		c.b.t.Fatalf("%s: got %d %s %s", got.what, got.status, got.contentType, got.body)
	}
	all := map[string]systemUser{}
	for _, u := range body.SystemUsers {
		if u.Name != "boss" && u.Name != "op" {
			all[u.Name] = u
		}
	}
	return all
}

func TestSystemUsers(t *testing.T) {
	b := newBed(t)
	boss, op := b.user("boss", "admin"), b.user("op", "operator")

	// As in the documents of FreeTAKServer, old ones without a DeviceType too.
	boss.do("POST", base+"postSystemUser", `{"systemUsers":[
		{"Name":"ann","Group":"Yellow","Token":"anns-own-token","Password":"correct horse battery","Certs":"false","DeviceType":"WinTAK"},
		{"Name":"ben","Group":"Cyan","Token":"","Password":"","Certs":"false"}]}`).is(201, asJSON, `{"message":"all users created"}`)
	all := list(op, "getAll", "")
	ann, ben := all["ann"], all["ben"]
	if len(ann.Uid) != 36 || ann.Uid == ben.Uid {
		t.Errorf("uids %q and %q", ann.Uid, ben.Uid)
	}
	op.get(base+"getAll").is(200, asJSON, fmt.Sprintf(`{"SystemUsers":[`+
		`{"Name":"ann","Group":"Yellow","Token":"","Password":"","Certs":null,"Uid":%q,"DeviceType":"wintak"},`+
		`{"Name":"ben","Group":"Cyan","Token":"","Password":"","Certs":null,"Uid":%q,"DeviceType":"mobile"},`+
		`{"Name":"boss","Group":"","Token":"","Password":"","Certs":null,"Uid":"boss","DeviceType":""},`+
		`{"Name":"op","Group":"","Token":"","Password":"","Certs":null,"Uid":"op","DeviceType":""}]}`, ann.Uid, ben.Uid))

	// The group is a colour, and no group of the server.
	u, _ := b.ids.User("ann")
	if u.Team != "Yellow" || len(u.Groups) != 0 || len(b.ids.Groups()) != 1 || u.Roles[0] != "user" {
		t.Errorf("got %+v", u)
	}
	b.with("anns-own-token").get("/ManageRoute").is(200, asJSON, `{"SupportedEndpoints":[]}`)
	b.with("anns-own-token").get(base+"getAll").is(403, asJSON, `{"message":"this is for callers with the role admin or operator"}`+"\n")

	for filter, want := range map[string]int{
		"": 2, "{}": 2, `{"name":"ann"}`: 1, `{"group":"Cyan"}`: 1, `{"uid":"` + ann.Uid + `"}`: 1, `{"device_type":"wintak","name":"ben"}`: 0,
		`{"certificate_package_name":"x.zip"}`: 0,
	} {
		if got := list(op, "getSystemUser", filter); len(got) != want {
			t.Errorf("%s: got %d, want %d", filter, len(got), want)
		}
	}
	for _, filter := range []string{`{"token":"anns-own-token"}`, `{"password":"correct horse battery"}`, "{", `{"name":{}}`, `[]`} {
		op.do("GET", base+"getSystemUser", filter).is(500, asText, "An error occured attempting to retrieve user.")
	}

	// In both writings of the keys, and what is empty stays.
	const updated = `{"message":"user updated"}`
	boss.do("PUT", base+"putSystemUser", `{"systemUsers":[{"uid":"`+ann.Uid+`","Token":"anns-new-token","Group":"Red"},{"uid":"`+ben.Uid+`","password":"another long password","token":"","group":""}]}`).
		is(200, asJSON, updated)
	if all := list(op, "getAll", ""); all["ann"].Group != "Red" || all["ben"].Group != "Cyan" {
		t.Errorf("got %+v", all)
	}
	if _, err := b.ids.Login(t.Context(), "ben", "another long password", "192.0.2.1"); err != nil {
		t.Errorf("login: %v", err)
	}
	b.with("anns-own-token").get("/ManageRoute").is(401, asText, "Unauthorized Access")
	// The same once more, as a form that is saved unchanged.
	boss.do("PUT", base+"putSystemUser", `{"systemUsers":[{"uid":"`+ann.Uid+`","Token":"anns-new-token"}]}`).is(200, asJSON, updated)
	b.with("anns-new-token").get("/ManageRoute").is(200, asJSON, `{"SupportedEndpoints":[]}`)

	const failed = `{"message":"An error occured attempting to update user.","errors":[%q]}`
	for body, why := range map[string]string{
		`{"systemUsers":[{"uid":"nobody","Group":"Red"}]}`:                       "there is no user with that uid",
		`{"systemUsers":[{"Group":"Red"}]}`:                                      "uid is missing",
		`{"systemUsers":[{"uid":"` + ann.Uid + `","Group":"Blue"},{"uid":"x"}]}`: "there is no user with that uid",
		`{"systemUsers":[{"uid":"` + ann.Uid + `","Token":"token"}]}`:            "token: a value of one's own has 8 to 256 characters",
		`{"systemUsers":[{"uid":"` + ben.Uid + `","Token":"anns-new-token"}]}`:   "token: this value is in use; choose another",
		`{"systemUsers":{}}`: "SystemUsers cannot be read: it is not of the kind that is expected",
		`{"systemUsers"`:     "the body cannot be read: unexpected end of JSON input",
	} {
		boss.do("PUT", base+"putSystemUser", body).is(500, asJSON, fmt.Sprintf(failed, why))
	}
	if got := list(op, "getAll", "")["ann"].Group; got != "Red" {
		t.Errorf("a change that failed made ann's team %q", got)
	}

	const deleted = `{"message":"user deleted"}`
	boss.do("DELETE", base+"deleteSystemUser", `{"systemUsers":[{"uid":"`+ann.Uid+`"},{"uid":"`+ben.Uid+`"}]}`).is(200, asJSON, deleted)
	boss.do("DELETE", base+"deleteSystemUser", `{"systemUsers":[{"uid":"`+ann.Uid+`"}]}`).is(200, asJSON, deleted)
	if all := list(op, "getAll", ""); len(all) != 0 {
		t.Errorf("there are %+v", all)
	}
	b.with("anns-new-token").get("/ManageRoute").is(401, asText, "Unauthorized Access")
	got := boss.do("DELETE", base+"deleteSystemUser", `{"systemUsers":[{"uid":"boss"},{}]}`)
	if got.status != 500 || !strings.HasPrefix(got.body, `{"message":"An error occured attempting to remove the user(s).","errors":["`) || !strings.HasSuffix(got.body, `,"uid is missing"]}`) {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if log := b.log.String(); strings.Contains(log, "anns-new-token") || strings.Contains(log, "another long password") {
		t.Error("a secret is in the log")
	}
}

func TestPostSystemUserFails(t *testing.T) {
	b := newBed(t)
	boss := b.user("boss", "admin")
	post := func(body string) *answer { return boss.do("POST", base+"postSystemUser", body) }
	post(`{"systemUsers":[{"Name":"ann","Password":"correct horse battery"},{"Name":"a/b"},{"Name":"ANN"}]}`).is(201, asJSON,
		`{"message":"operation failed for user a/b, operation failed for user ANN","errors":["a/b: `+
			`add user a/b: user \"a/b\": '/' must not be in a name: letters, digits, and . _ - @ and space inside may","ANN: add user ANN: there is a user ann already"]}`)
	for body, name := range map[string]string{
		`{"systemUsers":[{"Name":"ben","Token":"token"}]}`:        "ben", // everybody knows it
		`{"systemUsers":[{"Name":"ben","Token":"short"}]}`:        "ben",
		`{"systemUsers":[{"Name":"ben","Password":"password"}]}`:  "ben",
		`{"systemUsers":[{"Name":"ben","DeviceType":"toaster"}]}`: "ben",
		`{"systemUsers":[{"Group":"Red"}]}`:                       "",
	} {
		got := post(body)
		if got.status != 500 || !strings.HasPrefix(got.body, `{"message":"all users failed to create operation failed for user `+name+`","errors":["`) {
			t.Errorf("%s: got %d %s", body, got.status, got.body)
		}
	}
	if _, there := b.ids.User("ben"); there {
		t.Error("ben stays although his token was refused")
	}
	for _, body := range []string{"", "{", `{"systemUsers":"ann"}`, `{"systemUsers":[{"Name":["x"]}]}`} {
		got := post(body)
		if got.status != 500 || !strings.HasPrefix(got.body, `{"message":"An error occured attempting to create user(s).","errors":["`) || !strings.Contains(got.body, "cannot be read") {
			t.Errorf("%q: got %d %s", body, got.status, got.body)
		}
	}
	post(`{"systemUsers":[]}`).is(201, asJSON, `{"message":"all users created"}`)
}

// TestCerts makes users with certificates and packages.
func TestCerts(t *testing.T) {
	b := newBed(t)
	boss := b.user("boss", "admin")
	boss.do("POST", base+"postSystemUser", `{"systemUsers":[{"Name":"ann","Certs":"true","DeviceType":"mobile"},{"Name":"ben c","Certs":true,"DeviceType":"wintak"}]}`).
		is(201, asJSON, `{"message":"all users created"}`)
	all := list(boss, "getAll", "")
	for name, file := range map[string]string{"ann": "ann" + all["ann"].Uid + ".zip", "ben c": "ben_c" + all["ben c"].Uid + ".zip"} {
		u := all[name]
		if u.Certs == nil || *u.Certs != file {
			t.Fatalf("%s: got %+v", name, u)
		}
		if zip, err := b.packages.Read(file); err != nil || len(zip) < 1000 {
			t.Errorf("%s: %d bytes, %v", file, len(zip), err)
		}
	}
	certs := b.ids.Certificates(identity.CertificateFilter{User: "ann"})
	if len(certs) != 1 || certs[0].Kind != identity.KindPackage {
		t.Fatalf("got %+v", certs)
	}
	if got := list(boss, "getSystemUser", `{"certificate_package_name":"`+*all["ann"].Certs+`"}`); len(got) != 1 {
		t.Errorf("got %+v", got)
	}
	boss.do("DELETE", base+"deleteSystemUser", `{"systemUsers":[{"uid":"`+all["ann"].Uid+`"}]}`).is(200, asJSON, `{"message":"user deleted"}`)
	if c, _ := b.ids.Certificate(certs[0].Serial); c.Revoked == nil {
		t.Error("the certificate of a removed user is good")
	}
	if _, err := b.packages.Read(*all["ann"].Certs); err == nil {
		t.Error("the package of a removed user is there")
	}
}

func TestAPIUsers(t *testing.T) {
	b := newBed(t)
	boss, op := b.user("boss", "admin"), b.user("op", "operator")
	const success = `{"message":"success"}`
	op.get("/APIUser").is(200, asJSON, `{"json_list":[]}`)
	boss.do("POST", "/APIUser", `{"username":"script","token":"a-long-token"}`).is(200, asJSON, success)
	boss.do("POST", "/APIUser", `{"username":"op","token":"another-token"}`).is(200, asJSON, success)
	op.get("/APIUser").is(200, asJSON, `{"json_list":[{"Username":"op","Token":""},{"Username":"script","Token":""}]}`)
	b.with("a-long-token").get("/ManageRoute").is(200, asJSON, `{"SupportedEndpoints":[]}`)
	if got := list(op, "getAll", ""); len(got) != 0 {
		t.Errorf("API users are among the system users: %+v", got)
	}
	for body, why := range map[string]string{
		`{"username":"script","token":"third-token"}`: "there is an API user of that name",
		`{"username":"other","token":"a-long-token"}`: "token: this value is in use; choose another",
		`{"username":"other","token":"token"}`:        "token: a value of one's own has 8 to 256 characters",
		`{"username":"other"}`:                        "username and token are needed",
		`{"token":"a-long-token"}`:                    "username and token are needed",
	} {
		boss.do("POST", "/APIUser", body).is(500, asJSON, fmt.Sprintf(`{"message":"An error occurred updating api user record.","errors":[%q]}`, why))
	}
	if _, there := b.ids.User("other"); there {
		t.Error("a user stays whose token was refused")
	}
	boss.do("DELETE", "/APIUser", `{}`).is(500, asJSON, `{"message":"An error occurred updating api user record.","errors":["username is needed"]}`)
	for range 2 {
		for _, name := range []string{"script", "op"} {
			boss.do("DELETE", "/APIUser", `{"username":"`+name+`"}`).is(200, asJSON, success)
		}
	}
	for _, token := range []string{"a-long-token", "another-token"} {
		b.with(token).get("/ManageRoute").is(401, asText, "Unauthorized Access")
	}
	if _, there := b.ids.User("script"); there {
		t.Error("script is still there")
	}
	op.get("/APIUser").is(200, asJSON, `{"json_list":[]}`) // op is still there
}

// TestAuthenticate follows what FreeTAKServer's web interface can read: a wrong
// password is what is no JSON, and an object without a uid crashes it.
func TestAuthenticate(t *testing.T) {
	b := newBed(t)
	boss := b.user("boss", "admin")
	boss.do("POST", base+"postSystemUser", `{"systemUsers":[{"Name":"ann","Password":"correct horse battery"}]}`)
	uid := list(boss, "getAll", "")["ann"].Uid
	const path = "/AuthenticateUser?username="
	boss.get(path+"Ann&password=correct+horse+battery").is(200, asJSON, fmt.Sprintf(`{"uid":%q}`, uid))
	b.with("").get(path+"ann&password=correct+horse+battery").is(401, asText, "Unauthorized Access")
	for _, query := range []string{"ann&password=wrong+password", "ann", "", "nobody&password=x"} {
		got := boss.get(path + query)
		if got.status == 429 {
			break
		}
		got.is(401, asText, "Unauthorized Access")
	}
	for range 20 {
		got := boss.get(path + "ann&password=wrong+password")
		if json.Valid([]byte(got.body)) {
			t.Fatalf("got %s", got.body)
		}
		if got.status == 429 {
			if got.header.Get("Retry-After") == "" || got.contentType != asText {
				t.Errorf("got %v", got.header)
			}
			if strings.Contains(b.log.String(), "correct+horse") || strings.Contains(b.log.String(), "correct horse") {
				t.Error("a password is in the log")
			}
			return
		}
	}
	t.Error("20 wrong passwords were let be tried")
}
