package main

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/takhost/takhost/sdk/plugintest"
)

// hostile are values of any parameter.
var hostile = map[string]string{
	"empty":             "",
	"10 kB":             strings.Repeat("x", 10_000),
	"CR LF":             "a\r\nSet-Cookie: x=1\r\n\r\n<html>",
	"NUL":               "a\x00b",
	"turned round":      "\u202egpj.exe\u2066\u200f",
	"no UTF-8":          "\xff\xfe\x80",
	"traversal":         "../../../../etc/passwd",
	"backslashes":       `..\..\windows\system32`,
	"a drive":           `C:\x`,
	"a device":          "CON",
	"NaN":               "NaN",
	"infinite":          "1e999",
	"box of NaN":        "NaN,NaN,NaN,NaN",
	"box of infinities": "-Inf,-Inf,Inf,Inf",
	"half a box":        "1,2,3",
	"circle of NaN":     "0,0,NaN",
	"overflow":          "99999999999999999999999",
	"minus":             "-9223372036854775808",
	"costly":            "(((((a*)*)*)*)*)*b",
	"large expression":  "((a{100}){100}){100}",
	"deep expression":   strings.Repeat("(", 250),
	"no expression":     "[",
	"many words":        strings.Repeat("k,", 10_000),
	"JSON":              `{"a":[`,
	"markup":            `"><script>alert(1)</script>`,
	"SQL":               "' OR 1=1; --",
	"upper hash":        strings.ToUpper(hashOf("content")),
	"no hash":           strings.Repeat("g", 64),
	"short hash":        strings.Repeat("a", 63),
}

// Whatever stands in a parameter, the answer is one that was meant: fine, or a refusal
// with a reason, and no header or name carries it further than it may.
func TestHostileParameters(t *testing.T) {
	upload := []string{"name", "filename", "keywords", "creatorUid", "uid", "tool", "groups", "expiration", "hash", "mimetype", "remarks", "latitude", "longitude",
		"altitude", "downloadPath", "missionName", "permissions", "contacts"}
	search := []string{"keywords", "keyword", "name", "tool", "hash", "uid", "mimetype", "bbox", "circle", "starttime", "stoptime", "minaltitude", "maxaltitude", "mission",
		"submissionUser"}
	for _, r := range []struct {
		method, path string
		params       []string
	}{
		{"POST", "/Marti/sync/upload", upload}, {"POST", "/api/v1/files", upload}, {"POST", "/DataPackageTable", []string{"filename", "creator"}},
		{"POST", "/Marti/sync/missioncreate", []string{"filename", "contacts", "hash", "tool", "groups"}},
		{"GET", "/Marti/sync/search", search}, {"GET", "/Marti/api/sync/search", search},
		{"GET", "/Marti/sync/content", []string{"hash", "uid", "offset", "length"}}, {"GET", "/Marti/sync/missionquery", []string{"hash"}},
		{"DELETE", "/Marti/sync/delete", []string{"hash", "uid", "PrimaryKey"}},
		{"GET", "/Marti/api/files/metadata", []string{"page", "limit", "name", "mission", "sort", "ascending"}},
		{"GET", "/api/v1/files", []string{"name", "hash", "keyword", "tool", "user", "limit", "after"}},
		{"POST", "/BroadcastDataPackage", []string{"uid", "hash"}},
	} {
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			b := start(t)
			b.raw(b.anna, "name=f&uid=u", "text/plain", "content")
			for _, param := range r.params {
				for what, value := range hostile {
					q := url.Values{param: {value}}
					if param == "length" || param == "offset" {
						q.Set("uid", "u")
					}
					body := ""
					kind := "text/plain"
					if r.method == "POST" {
						body, kind = multi(t, formPart{"assetfile", "x.txt", "text/plain", "content"})
					}
					if r.path == "/BroadcastDataPackage" {
						body, kind = "", ""
					}
					a := b.Do(plugintest.Request{Method: r.method, Path: r.path + "?" + q.Encode(), ContentType: kind, Body: body, Caller: b.carl})
					switch a.Status {
					case 200, 201, 206, 416:
					case 400, 403, 404, 429:
						if a.Body == "" || len(a.Body) > 1000 || strings.ContainsAny(a.Body, "\x00\r") {
							t.Errorf("%s of %s: got %d %.200q, want a reason", what, param, a.Status, a.Body)
						}
					default:
						t.Errorf("%s of %s: got %d %.200q", what, param, a.Status, a.Body)
					}
					for name, h := range a.Header {
						if strings.ContainsAny(h, "\r\n\x00") || !utf8.ValidString(h) {
							t.Errorf("%s of %s: the header %s is %q", what, param, name, h)
						}
					}
				}
			}
			// What was kept has a name that is one, and is found and given.
			for _, id := range b.Documents("files") {
				var f cleanFile
				b.JSON(b.get(b.admin, 200, "/api/v1/files/"+id), &f)
				if strings.ContainsAny(f.Name, "/\\\r\n\x00\u202e\u2066\u200f") || f.Name == "" || len(f.Name) > maxText || len(f.Keywords) > maxList {
					t.Errorf("file %s: got the name %q and %d keywords", id, f.Name, len(f.Keywords))
				}
				if a := b.get(b.admin, 200, "/api/v1/files/"+id+"/content"); a.Body != "content" && !strings.HasPrefix(a.Body, "PK") {
					t.Errorf("file %s: got %q", id, a.Body)
				}
			}
		})
	}
}

// The same in the path and in bodies.
func TestHostilePathsAndBodies(t *testing.T) {
	b := start(t)
	f := b.raw(b.anna, "name=f&uid=u", "text/plain", "content")
	for what, value := range hostile {
		if value == "" || !utf8.ValidString(value) {
			continue
		}
		p := url.PathEscape(value)
		for _, at := range []string{
			"GET /Marti/sync/" + p + "/metadata", "GET /Marti/api/sync/metadata/" + p, "GET /Marti/api/sync/metadata/" + p + "/tool", "GET /Marti/api/sync/metadata/u/" + p,
			"PUT /Marti/api/sync/metadata/" + p + "/tool", "PUT /Marti/api/sync/metadata/u/" + p, "GET /Marti/api/files/" + p, "DELETE /Marti/api/files/" + p,
			"PUT /Marti/api/files/" + p + "/metadata", "GET /api/v1/files/" + p, "GET /api/v1/files/" + p + "/content", "DELETE /api/v1/files/" + p, "GET /api/v1/files/" + p + "/offers",
		} {
			method, path, _ := strings.Cut(at, " ")
			kind := ""
			if method == "PUT" {
				kind = "text/plain"
			}
			a := b.Do(plugintest.Request{Method: method, Path: path, ContentType: kind, Body: "", Caller: b.carl})
			if good := a.Status == 200 || a.Status == 400 || a.Status == 403 || a.Status == 404; !good || a.Status != 200 && len(a.Body) > 1000 {
				t.Errorf("%s in %s: got %d %.200q", what, at, a.Status, a.Body)
			}
		}
		for _, field := range []string{"tool", "keywords", "name", "mimetype", "remarks", "expiration"} {
			a := b.Do(plugintest.Request{Method: "PUT", Path: "/Marti/api/sync/metadata/" + f.Hash + "/" + field, ContentType: "text/plain", Body: value, Caller: b.anna})
			if a.Status != 200 && (a.Status != 400 || a.Body == "") || len(a.Body) > 1000 {
				t.Errorf("%s as %s: got %d %.200q", what, field, a.Status, a.Body)
			}
		}
	}
}
