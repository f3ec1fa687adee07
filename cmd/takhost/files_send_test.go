package main

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFilesRemove(t *testing.T) {
	b := newFileBed(t)
	b.answer("GET /api/v1/plugins/files", 200, map[string]any{"state": "active"})
	for _, id := range []string{"1", "2"} {
		f := fileNamed(id, "f"+id, id)
		b.answer("GET /api/v1/files/"+id, 200, f)
		b.answer("DELETE /api/v1/files/"+id, 200, f)
	}
	b.answer("GET /api/v1/files/3", 404, problem(404, "there is no file 3"))
	b.answer("GET /api/v1/files", 200, filesPage{})
	if code, _, errs := b.run("", "files", "remove", "1", "3", "2"); code != exitFailed || !strings.Contains(errs, "no file 3") {
		t.Errorf("with one that is not there: got code %d, %q", code, errs)
	}
	for _, a := range b.asked() {
		if strings.HasPrefix(a, "DELETE") {
			t.Errorf("%s: nothing is removed when one is not there", a)
		}
	}
	code, out, errs := b.run("", "files", "remove", "1", "2", "1")
	if want := "1: f1, 1 B: removed\n2: f2, 1 B: removed\n"; code != 0 || out != want {
		t.Errorf("got code %d, %q and %q, want %q", code, out, errs, want)
	}
}

func TestFilesSend(t *testing.T) {
	b := newFileBed(t)
	b.answer("GET /api/v1/plugins/files", 200, map[string]any{"state": "active"})
	b.answer("GET /api/v1/files/1", 200, fileNamed("1", "a.zip", "1"))
	var got string
	b.mux.HandleFunc("POST /api/v1/files/1/send", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
		var in offerInput
		if err := json.Unmarshal(body, &in); err != nil {
			t.Error(err)
		}
		missing := []string{}
		for _, c := range in.Callsigns {
			if strings.HasPrefix(c, "No") {
				missing = append(missing, c)
			}
		}
		if !in.Wait && len(in.Callsigns) > 0 && len(missing) == len(in.Callsigns) {
			w.WriteHeader(404)
			_ = json.NewEncoder(w).Encode(problem(404, "nobody of these is connected: "+missing[0]))
			return
		}
		o := offered{Event: "u", Missing: missing}
		if in.Wait {
			o.Waiting = slices.DeleteFunc(slices.Clone(missing), func(m string) bool { return m == "NoWait" })
		}
		_ = json.NewEncoder(w).Encode(o)
	})
	for _, c := range []struct {
		args       string
		code       int
		want, body string
	}{
		{"--to A,1 --to=-B --uid U", 0, "a.zip: offered to A,1, -B, U\n", `{"callsigns":["A,1","-B"],"uids":["U"]}`},
		{"--to A --to NoX", 0, "a.zip: offered to A\nnot connected: NoX\n", `{"callsigns":["A","NoX"]}`},
		{"--to NoX", exitFailed, "nobody of these is connected: NoX (takhost status --clients", `{"callsigns":["NoX"]}`},
		{"--group Blue", 0, "a.zip: offered to all in Blue\n", `{"groups":["Blue"]}`},
		{"--group Blue --to A", 0, "a.zip: offered to A in Blue\n", `{"callsigns":["A"],"groups":["Blue"]}`},
		{"--all", 0, "a.zip: offered to everybody who may have it\n", `{"all":true}`},
		{"--to NoX --wait", 0, "a.zip: not connected, so offered when they come: NoX\n", `{"callsigns":["NoX"],"wait":true}`},
		{"--to A --to NoX --to NoWait --wait", 0, "a.zip: offered to A\nnot connected: NoWait\nnot connected, so offered when they come: NoX\n", `{"callsigns":["A","NoX","NoWait"],"wait":true}`},
		{"--all --wait", exitUsage, "waiting is for those who are named", ""},
		{"", exitUsage, "say who is to get it", ""},
	} {
		t.Run(c.args, func(t *testing.T) {
			got = ""
			code, out, errs := b.run("", append([]string{"files", "send", "1"}, strings.Fields(c.args)...)...)
			if code != c.code || !strings.Contains(out+errs, c.want) || got != c.body {
				t.Errorf("got code %d, %q, %q, body %s, want %q, body %s", code, out, errs, got, c.want, c.body)
			}
		})
	}
}

func TestFilesPack(t *testing.T) {
	b := newFileBed(t)
	b.answer("GET /api/v1/plugins/files", 200, map[string]any{"state": "active"})
	f := fileNamed("4", "map.kml", "k")
	b.answer("GET /api/v1/files", 200, filesPage{Files: []sharedFile{f}})
	var got string
	b.mux.HandleFunc("POST /api/v1/packages", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
		w.WriteHeader(201)
		p := fileNamed("5", "Area.zip", "zip")
		p.Keywords = []string{packageWord}
		_ = json.NewEncoder(w).Encode(p)
	})
	code, out, errs := b.run("", "files", "pack", "Area", "--event", "A,1", "--event", "B", "--file", "map.kml", "--no-import", "--private")
	if want := `{"name":"Area","events":["A,1","B"],"files":["4"],"private":true,"import":false}`; code != 0 || got != want {
		t.Errorf("got code %d, %q, body %s, want %s", code, errs, got, want)
	}
	if want := "5: Area.zip, 3 B, data package\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if code, _, errs := b.run("", "files", "pack", "Area"); code != exitUsage || !strings.Contains(errs, "--event UID, --file FILE") {
		t.Errorf("of nothing: got code %d, %q", code, errs)
	}
}

func TestFilesOffers(t *testing.T) {
	b := newFileBed(t)
	b.answer("GET /api/v1/plugins/files", 200, map[string]any{"state": "active"})
	for _, id := range []string{"1", "2"} {
		b.answer("GET /api/v1/files/"+id, 200, fileNamed(id, "f.zip", id))
	}
	at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.Local)
	b.answer("GET /api/v1/files/1/offers", 200, map[string]any{"offers": []fileOffer{
		{By: "ann", At: at, Callsigns: []string{"Ben", "Cam"}, UIDs: []string{"U"}, Groups: []string{"Blue"}, Waiting: []string{"Cam"},
			Received: []receipt{{Callsign: "Ben", UID: "B", Success: true}, {UID: "U", Reason: "no room\x1b"}}},
		{At: at, Groups: []string{"Blue", "Red"}, Received: []receipt{{UID: "B"}}, More: 7},
	}})
	b.answer("GET /api/v1/files/2/offers", 200, map[string]any{"offers": []fileOffer{}})
	code, out, errs := b.run("", "files", "offers", "1")
	when := at.Format(toMinute)
	gap := strings.Repeat(" ", len(when)-len("OFFERED"))
	want := "OFFERED" + gap + "  BY         TO                HAS IT           FAILED        WAITS FOR\n" +
		when + "  ann        Ben, Cam, U       Ben              U (no room·)  Cam\n" +
		when + "  anonymous  all in Blue, Red  7 older answers  B             -\n"
	if diff := cmp.Diff(want, out); diff != "" || code != 0 {
		t.Errorf("code %d, %s (-want +got):\n%s", code, errs, diff)
	}
	if code, out, _ := b.run("", "files", "offers", "2"); code != 0 || !strings.HasPrefix(out, "the server has offered this file to nobody: takhost files send 2 --to CALLSIGN") {
		t.Errorf("of none: got code %d, %q", code, out)
	}
}
