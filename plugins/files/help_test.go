package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime/multipart"
	"net/textproto"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

const manifestFile = "plugin.json"

// bed is the plugin with people in two groups: anna and carl in both, bert in blue,
// otto is an operator of both.
type bed struct {
	*plugintest.Kit
	t                             *testing.T
	anna, bert, carl, otto, admin *sdk.Caller
	nobody                        *sdk.Caller
}

func start(t *testing.T, opts ...plugintest.Option) *bed {
	t.Helper()
	k := plugintest.Start(t, manifestFile, opts...)
	both, blue := k.Set("Blue", "Red"), k.Set("Blue")
	b := &bed{Kit: k, t: t}
	who := func(name string, set int32, roles ...string) *sdk.Caller {
		return &sdk.Caller{User: name, Name: strings.ToUpper(name), Roles: roles, InSet: set, OutSet: set, Client: "EUD-" + name,
			Listener: "https", BaseURL: "https://tak.example.org:8443"}
	}
	b.anna, b.bert, b.carl, b.otto = who("anna", both, "user"), who("bert", blue, "user"), who("carl", both, "user"), who("otto", both, "operator")
	b.admin = who("root", k.Set("Ops"), "admin")
	b.nobody = &sdk.Caller{Name: "Anonymous", Roles: []string{"anonymous"}, InSet: 1, OutSet: 1, Listener: "http", BaseURL: "http://tak.example.org:8080"}
	return b
}

// in is the same in a subtest.
func (b *bed) in(t *testing.T) *bed { c := *b; c.t = t; return &c }

// ask sends a request and wants a status.
func (b *bed) ask(as *sdk.Caller, status int, method, path, contentType, body string) *plugintest.Answer {
	b.t.Helper()
	a := b.Do(plugintest.Request{Method: method, Path: path, ContentType: contentType, Body: body, Caller: as})
	if a.Status != status {
		b.t.Fatalf("%s %s: got %d %q, want %d", method, path, a.Status, a.Body, status)
	}
	return a
}

func (b *bed) get(as *sdk.Caller, status int, path string) *plugintest.Answer {
	b.t.Helper()
	return b.ask(as, status, "GET", path, "", "")
}

// raw sends a file as the body of sync/upload.
func (b *bed) raw(as *sdk.Caller, query, contentType, body string) syncFile {
	b.t.Helper()
	var f syncFile
	a := b.ask(as, 200, "POST", "/Marti/sync/upload?"+query, contentType, body)
	if a.ContentType != "text/json" {
		b.t.Errorf("content type: got %q, want text/json", a.ContentType)
	}
	b.JSON(a, &f)
	return f
}

// pack sends a data package as ATAK does and gives the URL.
func (b *bed) pack(as *sdk.Caller, name, content string) string {
	b.t.Helper()
	form, kind := multi(b.t, formPart{"assetfile", name, "application/x-zip-compressed", content})
	return b.ask(as, 200, "POST", "/Marti/sync/missionupload?hash="+hashOf(content)+"&filename="+name+"&creatorUid="+as.Client, kind, form).Body
}

// syncFile is a file as /Marti/sync shows it.
type syncFile struct {
	UID, SubmissionDateTime, MIMEType, SubmissionUser, PrimaryKey, Hash, CreatorUid, Name, Size, Tool, EXPIRATION string
	Latitude, Longitude, Altitude, Remarks                                                                        string
	Keywords, Groups                                                                                              []string
}

// found gives the names that a search finds, with spaces.
func (b *bed) found(as *sdk.Caller, query string) string {
	b.t.Helper()
	var got struct {
		ResultCount int
		Results     []syncFile
	}
	a := b.get(as, 200, "/Marti/sync/search?"+query)
	if a.ContentType != "text/json" {
		b.t.Errorf("content type: got %q, want text/json", a.ContentType)
	}
	b.JSON(a, &got)
	if got.Results == nil || got.ResultCount != len(got.Results) {
		b.t.Errorf("search: got the count %d and %d results", got.ResultCount, len(got.Results))
	}
	var names []string
	for _, f := range got.Results {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func hashOf(content string) string {
	h := sha256.Sum256([]byte(content))
	return hex.EncodeToString(h[:])
}

type formPart struct{ field, file, contentType, content string }

// multi makes a multipart form.
func multi(t *testing.T, parts ...formPart) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		d := `form-data; name="` + p.field + `"`
		if p.file != "" {
			d += `; filename="` + p.file + `"`
		}
		h.Set("Content-Disposition", d)
		if p.contentType != "" {
			h.Set("Content-Type", p.contentType)
		}
		out, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(out, p.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), w.FormDataContentType()
}

// zipOf makes an archive with files of these names.
func zipOf(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		content := "content of " + name
		if strings.EqualFold(path.Base(name), "manifest.xml") {
			content = `<MissionPackageManifest version="2"/>`
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func itoa(n int) string { return strconv.Itoa(n) }
