package tests

import (
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// Whatever is done with a secret, right or wrong, it is in no line of the log at
// its most talkative, in no answer but the one that gives it out, not in the
// audit, the metrics, config show, or a file of the data folder that holds more
// than it has to.
func TestSecretsStaySecret(t *testing.T) {
	const database = "dbSecret-4711"
	srv := taktest.Run(t, append(taktest.Listening("tls", "http", "https", "web"), append([]string{
		"--set", "public=" + publicName, "--set", "log.level=debug", "--set", "login.streams=tcp",
	}, withoutPlugins...)...)...)
	web := askTo(t, srv.Admin, "web", srv.Addr(t, "web"))
	rest := askTo(t, srv.Admin, "rest", srv.Addr(t, "rest"))
	secrets := map[string]string{}
	keep := func(what, secret string) string {
		if len(secret) < 8 {
			t.Fatalf("%s: %q is no secret", what, secret)
		}
		secrets[what] = secret
		return secret
	}
	password, wrong := keep("password", "swordfish-in-a-teapot-9"), keep("wrong password", "haddock-in-a-kettle-8")
	next := keep("new password", "mackerel-in-a-bucket-7")

	addRole(t, srv.Admin, "ann", "admin", password)
	token := keep("API token", newToken(t, srv.Admin, "ann"))
	file, err := os.ReadFile(filepath.Join(srv.Data, "rest.token"))
	takclient.Must(t, err)
	keep("token of listen.rest", strings.TrimSpace(string(file)))
	enrolCode := keep("enrolment code", code(t, srv.Admin, "ann").Secret)
	keep("enrolment code without dashes", strings.ReplaceAll(enrolCode, "-", ""))
	at := takclient.Enrolment{Web: web.base, Roots: rootsOf(t, srv.Admin), User: "ann", Secret: enrolCode, UID: "ANDROID-ann"}
	if _, err := at.ATAK(t.Context()); err != nil {
		t.Fatal(err)
	}
	session := keep("session", cookieOf(t, web.json("POST", "/api/v1/login", admin.Credentials{User: "ann", Password: password}).is(200)))
	var jwt struct {
		AccessToken string `json:"access_token"`
	}
	form := func(password string) string {
		return url.Values{"grant_type": {"password"}, "username": {"ann"}, "password": {password}}.Encode()
	}
	web.ask("POST", "/oauth/token", formType, form(password)).is(200).into(&jwt)
	keep("access token", jwt.AccessToken)
	keep("signature of the access token", jwt.AccessToken[strings.LastIndexByte(jwt.AccessToken, '.')+1:])
	var cert admin.NewCertificate
	srv.Must(t, "POST", "/api/v1/certificates", admin.CertificateInput{User: "ann"}).Decode(t, &cert)
	keep("private key", strings.Split(cert.Key, "\n")[1])
	caKey, err := os.ReadFile(filepath.Join(srv.Data, "pki", "ca.key"))
	takclient.Must(t, err)
	keep("key of the authority", strings.Split(string(caKey), "\n")[1])

	// The page of a code has it, and so has its package not.
	open := keep("open enrolment code", code(t, srv.Admin, "ann").Secret)
	if page := web.get("/enrol/" + open).is(200); page.header.Get("Cache-Control") != "no-store" || page.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("the page of a code may be kept, or told to others: %v", page.header)
	}
	answers := []*reply{web.get("/enrol/" + open + "/atak.zip").is(200)}

	// Secrets in the wrong place, spoilt, and in requests that fail.
	ask := func(a *asker, method, path, contentType, body string) {
		answers = append(answers, a.ask(method, path, contentType, body))
	}
	for what, secret := range secrets {
		if strings.ContainsAny(secret, "\r\n") {
			t.Fatalf("%s has line ends", what)
		}
		q := url.QueryEscape(secret)
		ask(web, "GET", "/oauth/token?grant_type=password&username=ann&password="+q, "", "")
		ask(web, "GET", "/api/v1/me?token="+q, "", "")
		ask(web, "GET", "/setup/"+url.PathEscape(secret), "", "")
		ask(web, "GET", "/api/v1/users/"+url.PathEscape("no "+secret[:4]), "", "")
		ask(web.token(secret+"x"), "GET", "/api/v1/me", "", "")
		ask(web.cookie(secret+"x"), "GET", "/api/v1/me", "", "")
		ask(rest.token(secret+"x"), "GET", "/api/v1/me", "", "")
		ask(web.basic("ann", secret+"x"), "GET", "/Marti/api/tls/config", "", "")
	}
	for range 3 {
		ask(web, "POST", "/oauth/token", formType, form(wrong))
	}
	ask(web, "POST", "/api/v1/login", "application/json", `{"user": "ann", "password": "`+wrong+`", "x": 1}`)
	ask(web, "POST", "/api/v1/login", "application/json", `{"user": "ann", "password": ["`+wrong+`"]}`)
	ask(web, "POST", "/api/v1/login", "application/json", `{"user": "ann", "password": "`+wrong)
	ask(web, "POST", "/api/v1/setup", "application/json", `{"secret": "`+enrolCode+`", "name": "x", "password": "`+wrong+`"}`)
	ask(rest.token(token), "POST", "/api/v1/users", "application/json", `{"name": "a,b", "password": "`+next+`"}`)
	ask(rest.token(token), "POST", "/api/v1/users/import", "text/csv", "name,password\na=b,"+next+"\n")
	ask(rest.token(token), "GET", "/api/v1/tokens", "", "")
	ask(rest.token(token), "GET", "/api/v1/enrolments", "", "")
	ask(rest.token(token), "GET", "/api/v1/users", "", "")
	ask(rest.token(token), "GET", "/api/v1/audit?limit=1000", "", "")
	ask(rest, "GET", "/metrics", "", "")
	ask(web.cookie(session), "PUT", "/api/v1/me/password", "application/json", `{"current": "`+password+`", "password": "`+next+`"}`)
	for _, spoilt := range []takclient.Option{takclient.WithLogin("ann", wrong), takclient.WithLogin("ann\x00", next), takclient.WithLogin("ann", next+strings.Repeat("x", 2000))} {
		_ = takclient.Dial(t, srv.Addr(t, "tcp"), spoilt).WaitClosed(t)
	}

	places := map[string]string{
		"the log":     strings.Join(srv.Lines(), "\n"),
		"config show": taktest.Command(t, "config", "show", "--set", "database=postgres://u:"+database+"@h/d", "--json").Out,
		"an error of the database": taktest.Command(t, "serve", "--data", taktest.Folder(t), "--set", "listen.tcp=127.0.0.1:0",
			"--set", "database=postgres://u:"+database+"@127.0.0.1:1/d").Err,
		"status": taktest.Command(t, "status", "--data", srv.Data, "--json").Out,
		"users":  taktest.Command(t, "user", "list", "--data", srv.Data, "--json").Out,
		"audit":  taktest.Command(t, "audit", "--data", srv.Data, "--json").Out,
	}
	for _, r := range answers {
		head := ""
		for name, values := range r.header {
			if name != http.CanonicalHeaderKey("Set-Cookie") {
				head += fmt.Sprint(name, values)
			}
		}
		places["the answer to "+r.what] += head + r.body
	}
	srv.Interrupt(t)
	takclient.Must(t, filepath.WalkDir(srv.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, "cache") || strings.Contains(path, string(filepath.Separator)+"pki") || filepath.Base(path) == "rest.token" {
			return err
		}
		b, err := os.ReadFile(path)
		places["the file "+filepath.Base(path)] += string(b)
		return err
	}))
	keep("password of the database", database)
	for place, text := range places {
		for what, secret := range secrets {
			for form, s := range map[string]string{"": secret, " in base64": base64.StdEncoding.EncodeToString([]byte("ann:" + secret))} {
				if i := strings.Index(text, s); i >= 0 {
					t.Errorf("%s has the %s%s: …%q…", place, what, form, text[max(0, i-80):min(len(text), i+40)])
				}
			}
		}
	}
}
