//go:build !race

package tests

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// TestLargeProfile: a map of 100 MiB goes into a profile, to four phones at once in a
// package, out of a tool, and by an offer, and the server holds none of it in memory.
func TestLargeProfile(t *testing.T) {
	srv := taktest.Run(t, append(taktest.Listening("http", "web"), withoutFeatures()...)...)
	token, err := os.ReadFile(filepath.Join(srv.Data, "rest.token"))
	if err != nil {
		t.Fatal(err)
	}
	profile(t, srv.Admin, "maps", "connection", "", nil, "a.pref", "small")
	profile(t, srv.Admin, "maps for the tool", "tool", "maps", nil, "b.pref", "small")
	phone := takclient.Dial(t, srv.Addr(t, "tcp"), takclient.WithUID("P-1"))
	takclient.Must(t, phone.SA(47, 8))
	phone.Sync(t)
	town := content{1, 100 << 20}
	rest, plain := "http://"+srv.Addr(t, "rest"), "http://"+srv.Addr(t, "http")
	send := func(method, target string, body io.Reader, size int64) (*http.Response, error) {
		req, err := http.NewRequestWithContext(context.Background(), method, target, body)
		if err != nil {
			return nil, err
		}
		req.ContentLength = size
		if strings.HasPrefix(target, rest) {
			req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		}
		return http.DefaultClient.Do(req)
	}
	put := func(profile string) error {
		resp, err := send("PUT", rest+"/api/v1/profiles/"+url.PathEscape(profile)+"/files/town.mbtiles", town.reader(), town.size)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		var v admin.Profile
		if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || resp.StatusCode != 200 || v.Files[len(v.Files)-1].Hash != town.hash() {
			return fmt.Errorf("put: got %s %+v, error %w", resp.Status, v, err)
		}
		return nil
	}
	// get gives size and hash of an answer, and checks the map that is somewhere in it.
	get := func(target string, at int64) (sum string, size int64, err error) {
		resp, err := send("GET", target, nil, 0)
		if err != nil {
			return "", 0, err
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			return "", 0, fmt.Errorf("get %s: %s", target, resp.Status)
		}
		whole, in := sha256.New(), sha256.New()
		buf := make([]byte, 128<<10)
		if _, err := io.CopyBuffer(whole, io.LimitReader(resp.Body, at), buf); err != nil {
			return "", 0, err
		}
		n, err := io.CopyBuffer(io.MultiWriter(whole, in), io.LimitReader(resp.Body, town.size), buf)
		if err != nil || n != town.size || hex.EncodeToString(in.Sum(nil)) != town.hash() {
			return "", 0, fmt.Errorf("get %s: %d bytes of another map, %w", target, n, err)
		}
		behind, err := io.CopyBuffer(whole, resp.Body, buf)
		return hex.EncodeToString(whole.Sum(nil)), at + n + behind, err
	}
	const base = "/Marti/api/device/profile"
	before, most, took := growth(t, srv, func() error {
		if err := put("maps"); err != nil {
			return err
		}
		return put("maps for the tool")
	})
	check := func(what string) {
		t.Helper()
		t.Logf("%s: %v, %d MiB before, %d MiB at most", what, took, before>>20, most>>20)
		if grown := most - before; grown > 32<<20 {
			t.Errorf("%s: memory grew by %.1f MiB, 32 MiB are allowed", what, float64(grown)/(1<<20))
		}
	}
	check("two uploads of 100 MiB")

	// Where the map is in the package: behind the headers before it.
	head, err := send("GET", plain+base+"/maps/missionpackage", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 4096)
	_, err = io.ReadFull(head.Body, first)
	head.Body.Close()
	const name = "file1/town.mbtiles"
	i := strings.LastIndex(string(first), name)
	if err != nil || i < 0 {
		t.Fatalf("the package begins with %q, error %v", first, err)
	}
	at := int64(i + len(name))
	before, most, took = growth(t, srv, func() error {
		var g errgroup.Group
		for range 4 {
			g.Go(func() error {
				if _, _, err := get(plain+base+"/maps/missionpackage", at); err != nil {
					return err
				}
				_, _, err := get(plain+base+"/tool/maps/file?relativePath=/town.mbtiles", 0)
				return err
			})
		}
		return g.Wait()
	})
	check("four packages and files of 100 MiB at once")

	addRole(t, srv.Admin, "chief", "admin", "")
	boss := askTo(t, srv.Admin, "web", srv.Addr(t, "web")).token(newToken(t, srv.Admin, "chief"))
	before, most, took = growth(t, srv, func() error {
		r, err := boss.send("POST", base+"/maps/send", "application/json", `["P-1"]`)
		if err == nil && r.status != 200 {
			err = fmt.Errorf("send: %d %s", r.status, r.body)
		}
		return err
	})
	check("an offer of 100 MiB")
	r := phone.ExpectType(t, "b-f-t-r")
	tree, err := cot.ParseDetail(r.XML, &r.Header)
	if err != nil {
		t.Fatal(err)
	}
	share, _ := tree.Root().Child("fileshare")
	attr := func(name string) string { v, _ := share.Attr(name); return v }
	sum, size, err := get(attr("senderUrl"), at)
	if err != nil || sum != attr("sha256") || fmt.Sprint(size) != attr("sizeInBytes") {
		t.Errorf("offered: got %d bytes of %s, error %v, told was %s", size, sum, err, r.XML)
	}
	if files := len(filesIn(t, srv.Data)); files != 3 { // the small ones are one, the map, the package
		t.Errorf("got %d files in the store, want 3", files)
	}
}
