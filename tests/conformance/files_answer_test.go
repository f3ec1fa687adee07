package conformance

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// download asks the guest for a file, with pairs of the query.
func (p *plugin) download(hash string, query ...string) *wire.HTTPResponse {
	p.Helper()
	r := &wire.HTTPRequest{Route: "download", Query: []wire.Pair{{Name: "hash", Value: hash}}}
	for i := 0; i < len(query); i += 2 {
		r.Query = append(r.Query, wire.Pair{Name: query[i], Value: query[i+1]})
	}
	var response wire.HTTPResponse
	p.must(hostapi.OpHTTP, r, &response)
	return &response
}

// answer gives what the server makes of an answer.
func (p *plugin) answer(r *wire.HTTPResponse) (*run.Answer, error) {
	p.Helper()
	a, err := run.NewAnswer(p.Context(), r, nil, p.subject.files.blobs, nil, nil)
	if err == nil {
		p.Cleanup(a.Close)
	}
	return a, err
}

// sends shows what of an answer reaches a client.
func (p *plugin) sends(r *wire.HTTPResponse, want string) *run.Answer {
	p.Helper()
	a, err := p.answer(r)
	if err != nil {
		p.Fatal(err)
	}
	var b bytes.Buffer
	if err := a.WriteTo(p.Context(), &b); err != nil {
		p.Fatal(err)
	}
	p.same("what is sent", b.String(), want)
	if a.Size != int64(len(want)) {
		p.Errorf("size: got %d, want %d", a.Size, len(want))
	}
	return a
}

// blobPart is an answer of one file, or of a piece of it.
func blobPart(status int32, b wire.BlobPart, headers ...wire.Pair) *wire.HTTPResponse {
	return &wire.HTTPResponse{Status: status, Headers: headers, Parts: []wire.Part{{Blob: &b}}}
}

func (p *plugin) sameAnswer(what string, got, want *wire.HTTPResponse) {
	p.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		p.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func answersFiles(p *plugin) {
	p.keeper(someBytes)
	const content = "0123456789"
	hash := p.uploaded([]byte(content))
	got := p.download(hash)
	p.sameAnswer("whole", got, blobPart(0, wire.BlobPart{Hash: hash}))
	if a := p.sends(got, content); a.File == nil || a.FileName != "" {
		p.Errorf("whole: got the file %+v", a.File)
	}
	got = p.download(hash, "name", `é "1".txt`)
	p.sameAnswer("named", got, blobPart(0, wire.BlobPart{Hash: hash, FileName: `é "1".txt`}))
	if a := p.sends(got, content); a.File == nil || a.FileName != `é "1".txt` {
		p.Errorf("named: got the file %+v", a.File)
	}
	for _, tt := range []struct {
		offset, length int64
		want, says     string
	}{
		{0, 4, "0123", "bytes 0-3/10"}, {3, 4, "3456", "bytes 3-6/10"}, {9, 1, "9", "bytes 9-9/10"},
		{4, 0, "456789", "bytes 4-9/10"}, {8, 100, "89", "bytes 8-9/10"}, {0, 10, content, "bytes 0-9/10"}, {10, 3, "", "bytes 10-9/10"},
	} {
		got := p.download(hash, "offset", fmt.Sprint(tt.offset), "length", fmt.Sprint(tt.length))
		p.sameAnswer(tt.says, got, blobPart(206, wire.BlobPart{Hash: hash, Offset: tt.offset, Length: tt.length}, wire.Pair{Name: "Content-Range", Value: tt.says}))
		if a := p.sends(got, tt.want); a.File != nil || a.Status != 206 {
			p.Errorf("%s: got status %d and a whole file: %v", tt.says, a.Status, a.File != nil)
		}
	}
	if a := p.sends(p.download(hash, "mixed", "1"), "["+content+"|12]"); a.File != nil {
		p.Error("several parts: got a whole file")
	}
	empty := p.uploaded(nil)
	p.sends(p.download(empty), "")
	p.sends(p.download(empty, "offset", "0", "length", "5"), "")
	large := strings.Repeat("abc", 1<<20)
	p.sends(p.download(p.uploaded([]byte(large)), "offset", "100000", "length", "2000000"), large[100000:2100000])
	// A file of the call itself, which nobody keeps.
	p.route("blob.put", `"data":"made for the answer"`)
	p.sends(p.download(hashOf("made for the answer")), "made for the answer")
}

func answersNoFile(p *plugin) {
	p.keeper(someBytes)
	hash := p.uploaded([]byte("0123456789"))
	for _, tt := range []struct {
		name  string
		hash  string
		query []string
		want  hostapi.Status
		why   string
	}{
		{"not there", noFile, nil, hostapi.NotFound, "there is no file " + noFile},
		{"no hash", "../state.db", nil, hostapi.Invalid, "is no SHA-256"},
		{"not there, of several", noFile, []string{"mixed", "1"}, hostapi.NotFound, "there is no file " + noFile},
		{"behind the end", hash, []string{"offset", "11", "length", "1"}, hostapi.Invalid, "there are none from 11 on"},
		{"far behind it", hash, []string{"offset", fmt.Sprint(int64(1) << 62), "length", "0"}, hostapi.Invalid, "there are none from"},
	} {
		_, err := p.answer(p.download(tt.hash, tt.query...))
		if e := call.StatusOf(err); err == nil || e.Status != tt.want || !strings.Contains(err.Error(), tt.why) {
			p.Errorf("%s: got %v, want %v: …%s…", tt.name, err, tt.want, tt.why)
		}
	}
	in := &wire.HTTPRequest{Route: "download", Query: []wire.Pair{{Name: "hash", Value: noFile}, {Name: "offset", Value: "1"}, {Name: "length", Value: "1"}}}
	p.same("a piece of what is not there", p.refused(hostapi.OpHTTP, in.Append(nil), hostapi.NotFound).Message, "file: blobs.stat: there is no file "+noFile)
}
