package main

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func unix(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func TestSearch(t *testing.T) {
	b := start(t)
	hash := ""
	for _, q := range []string{
		"name=a.png&keywords=map,north&tool=public&latitude=10&longitude=179&altitude=100&uid=u-a&mimetype=image/png",
		"name=b(1).png&keywords=map&tool=other&latitude=10&longitude=-179&altitude=5&uid=u-b&mimetype=image/png&missionName=op",
		"name=c.txt&keywords=text&tool=private&latitude=0&longitude=0&uid=u-c&mimetype=text/plain",
	} {
		f := b.raw(b.anna, q, "application/octet-stream", q)
		if f.UID == "u-a" {
			hash = f.Hash
		}
		b.Advance(10 * time.Second)
	}
	for name, c := range map[string]struct{ query, want string }{
		"all":                  {"", "b(1).png a.png"},
		"keyword":              {"keywords=map", "b(1).png a.png"},
		"FreeTAKServer's":      {"keyword=north", "a.png"},
		"both of them":         {"keywords=map,north", "a.png"},
		"repeated":             {"keywords=map&keyword=north", "a.png"},
		"name in capitals":     {"KEYWORDS=north", "a.png"},
		"name in camel case":   {"minAltitude=50", "a.png"},
		"name in lower case":   {"maxaltitude=50", "b(1).png"},
		"tool":                 {"tool=public", "a.png"},
		"private":              {"tool=private", ""},
		"exact name":           {"name=a.png", "a.png"},
		"name that looks so":   {"name=b(1).png", "b(1).png"},
		"expression":           {"name=.*%5C.png", "b(1).png a.png"},
		"whole of it":          {"name=a", ""},
		"no expression":        {"name=b(1", ""},
		"type":                 {"MIMEType=image%2F.*", "b(1).png a.png"},
		"hash":                 {"hash=" + hash, "a.png"},
		"hash in capitals":     {"hash=" + strings.ToUpper(hash), "a.png"},
		"uid":                  {"UID=u-b", "b(1).png"},
		"private by uid":       {"uid=u-c", "c.txt"},
		"uid and tool":         {"uid=u-c&tool=public", ""},
		"box":                  {"bbox=178,5,179.5,15", "a.png"},
		"box over the line":    {"bbox=178,5,-178,15", "b(1).png a.png"},
		"circle":               {"circle=180,10,150000", "b(1).png a.png"},
		"small circle":         {"circle=179,10,1000", "a.png"},
		"from":                 {"starttime=2024-05-01T12:00:05Z", "b(1).png"},
		"until":                {"stoptime=2024-05-01T12:00:05Z", "a.png"},
		"both":                 {"startTime=2024-05-01T12:00:00Z&endTime=2024-05-01T12:00:01Z", "a.png"},
		"mission":              {"mission=op", "b(1).png"},
		"unknown is let be":    {"nonsense=1&tool=public", "a.png"},
		"user":                 {"submissionUser=an.*", "b(1).png a.png"},
		"another's expression": {"submissionUser=bert", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.in(t).found(b.bert, c.query); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if got := b.found(b.anna, "tool=private"); got != "c.txt" {
		t.Errorf("private of her own: got %q", got)
	}
	for name, query := range map[string]string{
		"box":              "bbox=1,2,3",
		"box upside down":  "bbox=0,10,10,0",
		"no box":           "bbox=a,b,c,d",
		"circle":           "circle=0,0,-1",
		"time":             "starttime=yesterday",
		"altitude":         "minaltitude=high",
		"long expression":  "name=" + strings.Repeat("a", 300),
		"large expression": "name=(a{25}){20}",
	} {
		t.Run("refused "+name, func(t *testing.T) { b.in(t).get(b.bert, 400, "/Marti/sync/search?"+query) })
	}
}

func TestApiSearchAndManager(t *testing.T) {
	b := start(t)
	b.raw(b.anna, "name=small&keywords=a,b&creatorUid=E", "text/plain", "1")
	b.pack(b.bert, "p.zip", zipOf(t, "manifest.xml"))
	var found struct {
		Version, Type string
		Data          []struct {
			Filename, Name, MimeType, Submitter, UID, Hash, Tool, SubmissionTime, CreatorUid string
			Keywords                                                                         []string
			Size, Expiration                                                                 int64
		}
	}
	a := b.get(b.anna, 200, "/Marti/api/sync/search?name=small")
	b.JSON(a, &found)
	if a.ContentType != "application/json" || found.Version != "3" || found.Type != "Resource" || len(found.Data) != 1 {
		t.Fatalf("got %q %s", a.ContentType, a.Body)
	}
	if f := found.Data[0]; f.Filename != "small" || f.Name != "small" || f.MimeType != "text/plain" || f.Submitter != "anna" || f.Hash != hashOf("1") ||
		f.Size != 1 || f.Expiration != -1 || len(f.Keywords) != 2 || f.CreatorUid != "E" || f.SubmissionTime != "2024-05-01T12:00:00.000Z" {
		t.Errorf("got %+v", f)
	}

	var rows struct {
		Data []map[string]string
	}
	names := func(query string) string {
		t.Helper()
		rows.Data = nil
		b.JSON(b.get(b.anna, 200, "/Marti/api/files/metadata?"+query), &rows)
		var list []string
		for _, r := range rows.Data {
			list = append(list, r["Name"])
		}
		return strings.Join(list, " ")
	}
	for query, want := range map[string]string{
		"": "p.zip small", "limit=1": "p.zip", "limit=1&page=2": "small", "limit=1&page=3": "", "name=SMA": "small",
		"missionPackage=true": "p.zip", "sort=Name&ascending=true": "p.zip small", "sort=Name": "small p.zip", "sort=size&ascending=true": "small p.zip",
	} {
		if got := names(query); got != want {
			t.Errorf("manager %q: got %q, want %q", query, got, want)
		}
	}
	names("name=small")
	if r := rows.Data[0]; r["User"] != "anna" || r["Creator"] != "E" || r["Size"] != "1kB" || r["Keywords"] != "a, b" || r["Expiration"] != "-1" ||
		r["Hash"] != hashOf("1") || r["Groups"] != "Blue, Red" || r["MimeType"] != "text/plain" || r["Time"] == "" {
		t.Errorf("row: got %v", r)
	}
	var count struct{ Data int }
	if b.JSON(b.get(b.bert, 200, "/Marti/api/files/metadata/count"), &count); count.Data != 2 {
		t.Errorf("count: got %d", count.Data)
	}
	b.ask(b.bert, 403, "PUT", "/Marti/api/files/"+hashOf("1")+"/metadata?keywords=x", "", "")
	b.ask(b.anna, 400, "PUT", "/Marti/api/files/"+hashOf("1")+"/metadata?keywords=missionpackage", "", "")
	b.ask(b.anna, 200, "PUT", "/Marti/api/files/"+hashOf("1")+"/metadata?keywords=x,y&expiration="+unix(b.Now().Add(time.Hour)), "", "")
	if got := b.found(b.bert, "keywords=x"); got != "small" {
		t.Errorf("after a change: got %q", got)
	}
	b.ask(b.bert, 403, "DELETE", "/Marti/api/files/"+hashOf("1"), "", "")
	b.ask(b.otto, 200, "DELETE", "/Marti/api/files/"+hashOf("1"), "", "")
	b.get(b.anna, 404, "/Marti/api/files/"+hashOf("1"))
	b.get(b.anna, 400, "/Marti/api/files/metadata?limit=0")
}

func TestContentInParts(t *testing.T) {
	b := start(t)
	body := strings.Repeat("0123456789", 60_000)
	f := b.raw(b.anna, "name=x", "text/plain", body)
	for query, want := range map[string][2]string{
		"offset=5&length=3":        {"567", "bytes 5-7/600000"},
		"offset=599998":            {"89", "bytes 599998-599999/600000"},
		"length=2":                 {"01", "bytes 0-1/600000"},
		"offset=100&length=500000": {body[100:500100], "bytes 100-500099/600000"},
		"offset=599999&length=9":   {"9", "bytes 599999-599999/600000"},
	} {
		a := b.get(b.anna, 206, "/Marti/sync/content?hash="+f.Hash+"&"+query)
		if a.Body != want[0] || a.Header["content-range"] != want[1] {
			t.Errorf("%s: got %d bytes, %q, want %d, %q", query, len(a.Body), a.Header["content-range"], len(want[0]), want[1])
		}
	}
	b.get(b.anna, 416, "/Marti/sync/content?hash="+f.Hash+"&offset=600000")
	b.get(b.anna, 400, "/Marti/sync/content?hash="+f.Hash+"&offset=-1")
	b.get(b.anna, 400, "/Marti/sync/content")
	for _, path := range []string{"hash=..%2f..%2fetc%2fpasswd", "hash=" + strings.Repeat("0", 64), "uid=" + strings.Repeat("u", 9000), "uid=none"} {
		if a := b.get(b.anna, 404, "/Marti/sync/content?"+path); a.Body != "File not found" {
			t.Errorf("%s: got %q", path, a.Body)
		}
	}
}

func TestMetadata(t *testing.T) {
	b := start(t)
	f := b.raw(b.anna, "name=x&uid=u1", "text/plain", "1")
	at := "/Marti/api/sync/metadata/" + f.Hash
	for _, c := range []struct {
		field, body string
		status      int
	}{
		{"keywords", `["b","a","a"]`, 200}, {"keywords", `["a"`, 400}, {"keywords", `[1]`, 400}, {"keywords", "[\"\"]", 400},
		{"remarks", "hello", 200}, {"name", "../y.txt", 200}, {"name", "..", 400}, {"mimetype", "image/png", 200}, {"tool", "private", 200},
		{"hash", "x", 400}, {"tool", strings.Repeat("t", 300), 400}, {"tool", "\xff", 400}, {"expiration", "soon", 400},
		{"keywords", `["missionpackage"]`, 400},
	} {
		b.ask(b.anna, c.status, "PUT", at+"/"+c.field, "text/plain", c.body)
	}
	var got syncFile
	for _, path := range []string{at, "/Marti/sync/" + f.Hash + "/metadata", "/Marti/api/sync/metadata/u1"} {
		b.JSON(b.get(b.anna, 200, path), &got)
		if strings.Join(got.Keywords, " ") != "a b" || got.Remarks != "hello" || got.Name != "y.txt" || got.MIMEType != "image/png" || got.Tool != "private" {
			t.Errorf("%s: got %+v", path, got)
		}
	}
	b.ask(b.bert, 403, "PUT", at+"/tool", "text/plain", "public")
	b.ask(b.otto, 200, "PUT", at+"/tool", "text/plain", "public")
	b.ask(b.anna, 404, "PUT", "/Marti/api/sync/metadata/"+strings.Repeat("0", 64)+"/tool", "text/plain", "public")
	b.get(b.anna, 404, at+"/keywords")
	b.get(b.anna, 404, "/Marti/api/sync/metadata/none")
}

func TestDelete(t *testing.T) {
	b := start(t)
	mine, his := b.raw(b.anna, "name=mine", "text/plain", "1"), b.raw(b.bert, "name=his", "text/plain", "1")
	b.ask(b.anna, 400, "DELETE", "/Marti/sync/delete", "", "")
	b.ask(b.anna, 403, "DELETE", "/Marti/sync/delete?PrimaryKey="+his.PrimaryKey, "", "")
	b.ask(b.anna, 404, "DELETE", "/Marti/sync/delete?PrimaryKey=999", "", "")
	b.ask(b.anna, 404, "DELETE", "/Marti/sync/delete?PrimaryKey=..%2f1", "", "")
	b.ask(b.nobody, 404, "DELETE", "/Marti/sync/delete?hash="+mine.Hash, "", "")
	b.ask(b.anna, 200, "DELETE", "/Marti/sync/delete?hash="+mine.Hash, "", "")
	if got := b.found(b.anna, ""); got != "his" || len(b.Kept(mine.PrimaryKey)) != 0 || len(b.Kept(his.PrimaryKey)) != 1 {
		t.Errorf("after a deletion: got %q", got)
	}
	b.ask(b.anna, 403, "DELETE", "/Marti/sync/delete?hash="+mine.Hash, "", "")
	b.ask(b.admin, 200, "DELETE", "/Marti/sync/delete?PrimaryKey="+his.PrimaryKey, "", "")
	b.get(b.bert, 404, "/Marti/sync/content?hash="+his.Hash)
}
