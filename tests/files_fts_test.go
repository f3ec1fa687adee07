package tests

import (
	"testing"

	"github.com/takhost/takhost/tests/takclient"
)

// FreeTAKServer's web UI (spec/rest.md 8.1, 8.2).
func TestFilesForFreeTAKServer(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	r := srv.rest(t)
	seer := srv.Client(t)
	content := packageOf(t, "from the UI")
	form, kind := formOf(t, "ui.zip", "application/x-zip-compressed", content)
	r.ask("POST", "/DataPackageTable?filename=ui.zip&creator=server", kind, form).is(200)
	type row struct {
		PrimaryKey, SubmissionUser, SubmissionDateTime, Name, Hash string
		Size, Privacy                                              int
	}
	table := func() (rows []row) {
		t.Helper()
		var page struct {
			List []row `json:"json_list"`
		}
		r.get("/DataPackageTable").is(200).into(&page)
		return page.List
	}
	if rows := table(); len(rows) != 1 || rows[0].Name != "ui.zip" || rows[0].Hash != sha(content) || rows[0].Size != len(content) || rows[0].Privacy != 0 {
		t.Fatalf("table: got %+v", rows)
	}
	if got := askAt(t, srv.Server, "http").get("/Marti/api/sync/metadata/" + sha(content) + "/tool").is(200); got.body != content {
		t.Errorf("the UI's download: got %d bytes", len(got.body))
	}
	r.post("/BroadcastDataPackage", `{"uid":"`+sha(content)+`"}`).is(200)
	seer.Expect(t, takclient.Type("b-f-t-r").Both(takclient.Contains(sha(content))))
	r.ask("PUT", "/DataPackageTable", "", `{"DataPackages":[{"PrimaryKey":"ui.zip","Privacy":"1","Name":"new.zip"}]}`).is(200)
	if rows := table(); len(rows) != 1 || rows[0].Name != "new.zip" || rows[0].Privacy != 1 {
		t.Errorf("after a change: got %+v", rows)
	}
	r.del("/DataPackageTable", `{"DataPackages":[{"hash":"`+sha(content)+`"}]}`).is(200)
	if rows := table(); len(rows) != 0 {
		t.Errorf("after a deletion: got %+v", rows)
	}
}
