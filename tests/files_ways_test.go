package tests

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// listsHash says whether an answer names a file.
func listsHash(r *reply, content string) bool { return strings.Contains(r.is(200).body, sha(content)) }

// iTAK sends a package as a file with a keyword, and finds it, as all of its groups do,
// among the packages.
func TestFilesByITAK(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	content := packageOf(t, "by iTAK")
	form, kind := formOf(t, "itak.zip", "application/zip", content)
	var got receivedFile
	srv.as(t, srv.anna).ask("POST", "/Marti/sync/upload?keywords=missionpackage&name=itak.zip&creatorUid=IOS-1", kind, form).is(200).into(&got)
	if got.Hash != sha(content) || got.UID == "" {
		t.Errorf("got %+v", got)
	}
	for _, path := range []string{
		"/Marti/sync/search?keywords=missionpackage", "/Marti/sync/search?keyword=missionpackage&tool=public", "/Marti/sync/search?keywords=missionpackage&tool=public",
		"/Marti/sync/search?Keywords=missionpackage", "/Marti/sync/search", "/Marti/api/sync/search?keyword=missionpackage", "/Marti/api/files/metadata?missionPackage=true",
	} {
		if !listsHash(srv.as(t, srv.bert).get(path), content) {
			t.Errorf("bert does not find it by %s", path)
		}
		if listsHash(srv.as(t, srv.carl).get(path), content) {
			t.Errorf("carl, who is in none of its groups, finds it by %s", path)
		}
	}
	if down := srv.as(t, srv.bert).get("/Marti/sync/content?uid=" + url.QueryEscape(got.UID)).is(200); down.body != content {
		t.Errorf("got %d bytes", len(down.body))
	}
	if table := srv.rest(t).get("/DataPackageTable"); !listsHash(table, content) {
		t.Errorf("FreeTAKServer's table has not got it: %s", table.body)
	}
	// What is called a package has to be one.
	bad, kind := formOf(t, "itak.zip", "application/zip", "hello")
	srv.as(t, srv.anna).ask("POST", "/Marti/sync/upload?keywords=missionpackage&name=itak.zip", kind, bad).is(400)
	// Only for a group that was named.
	narrow := packageOf(t, "for Red")
	form, kind = formOf(t, "red.zip", "application/zip", narrow)
	srv.as(t, srv.anna).ask("POST", "/Marti/sync/upload?keywords=missionpackage&name=red.zip&groups=Red", kind, form).is(200)
	hidden(t, srv.as(t, srv.bert), narrow)
	srv.as(t, srv.anna).ask("POST", "/Marti/sync/upload?keywords=missionpackage&name=g.zip&groups=Green", kind, form).is(403)
}

// CloudTAK sends packages and files by node-tak: chunked, the part without a file name;
// it reads the hash from the URL (spec/client-quirks.md).
func TestFilesByCloudTAK(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	a := srv.as(t, srv.anna)
	m := a.mover(t)
	content := packageOf(t, "by CloudTAK")
	hash := sha(content)
	body, _, kind := formAround(strings.NewReader(content), int64(len(content)), "", true)
	r, err := m.send("POST", "/Marti/sync/missionupload?"+url.Values{"filename": {"cloud.zip"}, "creatorUid": {"CloudTAK-conn-1"}, "hash": {hash}}.Encode(), kind, body, -1)
	if err != nil || r.status != 200 {
		t.Fatalf("missionupload: got %+v, %v", r, err)
	}
	u, err := url.Parse(r.body)
	if err != nil || u.Query().Get("hash") != hash {
		t.Fatalf("the URL %q has no hash in its query: %v", r.body, err)
	}
	if got := srv.as(t, srv.bert).get("/Marti/api/files/" + u.Query().Get("hash")).is(200); got.body != content {
		t.Errorf("got %d bytes", len(got.body))
	}

	// A file: the answer is text, which node-tak parses by itself.
	file := "a picture"
	raw, err := m.send("POST", "/Marti/sync/upload?name=p.png&keywords=a,b&creatorUid=CloudTAK-conn-1", "image/png", strings.NewReader(file), -1)
	if err != nil || raw.status != 200 || raw.header.Get("Content-Type") == "application/json" {
		t.Fatalf("upload: got %+v, %v", raw, err)
	}
	var shown struct {
		UID, SubmissionDateTime, MIMEType, SubmissionUser, PrimaryKey, Hash, CreatorUid, Name string
		Keywords                                                                              []string
	}
	if err := json.Unmarshal([]byte(raw.body), &shown); err != nil || shown.Hash != sha(file) || !slices.Equal(shown.Keywords, []string{"a", "b"}) || shown.Name != "p.png" {
		t.Errorf("got %+v, %v", shown, err)
	}

	// Metadata, as its file manager changes and lists them.
	a.ask("PUT", "/Marti/api/sync/metadata/"+hash+"/keywords", "application/json", `["missionpackage","night"]`).is(200)
	soon := time.Now().Add(time.Hour).Unix()
	a.ask("PUT", fmt.Sprintf("/Marti/api/sync/metadata/%s/expiration?expiration=%d", hash, soon), "", "").is(200)
	var page struct {
		Version, Type string
		Data          []struct{ Name, User, Creator, Size, Time, MimeType, Keywords, Expiration, Hash, Groups string }
	}
	list := a.get("/Marti/api/files/metadata?page=1&limit=10&sort=name&ascending=true").is(200)
	list.into(&page)
	if list.header.Get("Content-Type") != "application/json" || page.Version != "3" || len(page.Data) != 2 {
		t.Fatalf("files/metadata: got %s", list.body)
	}
	for _, f := range page.Data {
		if f.Hash == hash && (f.Name != "cloud.zip" || f.User != "anna" || f.Creator != "CloudTAK-conn-1" || !strings.Contains(f.Keywords, "night") ||
			f.Expiration != fmt.Sprint(soon) || !strings.Contains(f.Groups, "Blue")) {
			t.Errorf("files/metadata: got %+v", f)
		}
	}
	if got := a.get("/Marti/api/files/metadata/count").is(200); !strings.Contains(got.body, `"data":2`) {
		t.Errorf("count: got %s", got.body)
	}
	// Who did not send it may not delete it.
	srv.as(t, srv.bert).ask("DELETE", "/Marti/sync/delete?hash="+hash, "", "").is(403)
	srv.as(t, srv.bert).ask("DELETE", "/Marti/api/files/"+hash, "", "").is(403)
	a.ask("DELETE", "/Marti/sync/delete?hash="+hash, "", "").is(200)
	hidden(t, a, content)
	a.ask("DELETE", "/Marti/api/files/"+sha(file), "", "").is(200)
	if got := a.get("/Marti/api/files/metadata/count").is(200); !strings.Contains(got.body, `"data":0`) {
		t.Errorf("count in the end: got %s", got.body)
	}
	var limit struct{ UploadSizeLimit int }
	a.get("/files/api/config").is(200).into(&limit)
	if limit.UploadSizeLimit != 400 {
		t.Errorf("files/api/config: got %d MB, want 400", limit.UploadSizeLimit)
	}
}

// What a file says of its end holds at once, before anybody has deleted it.
func TestFilesEnd(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	a := srv.as(t, srv.anna)
	content := packageOf(t, "for two seconds")
	form, kind := formOf(t, "end.zip", "application/zip", content)
	a.ask("POST", fmt.Sprintf("/Marti/sync/missionupload?filename=end.zip&expiration=%d", time.Now().Add(2*time.Second).Unix()), kind, form).is(200)
	eventually(t, "it is over", func() bool { return a.get("/Marti/sync/content?hash="+sha(content)).status == 404 })
	hidden(t, a, content)
	a.upload("again.zip", "X", content)
	a.get("/Marti/sync/content?hash=" + sha(content)).is(200)
}
