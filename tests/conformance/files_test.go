package conformance

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Files: the cases ask the server's own host, see fileHost.
var fileCases = []conformanceCase{
	{name: "writes, reads and tells about files", run: writesFiles},
	{name: "is told why it gets no file", run: isToldWhyNoFile},
	{name: "keeps files with the commit", run: keepsFiles},
	{name: "keeps no more than is granted", run: keepsWhatIsGranted},
	{name: "keeps nothing in a call that only reads", run: keepsNothingReading},
	{name: "has no files without the grant", run: hasNoFilesUngranted},
	{name: "does not reach what other plugins keep", run: partedFromOthers},
	{name: "takes zip archives apart", run: takesArchivesApart},
	{name: "gets no zip archive that is not safe", run: refusesArchives},
	{name: "packs zip archives", run: packsArchives},
	{name: "takes uploads", run: takesUploads},
	{name: "answers with files", run: answersFiles},
	{name: "answers with no file that is not there", run: answersNoFile},
	{name: "is not broken by a host that is", run: survivesBrokenHost},
}

func writesFiles(p *plugin) {
	p.keeper(someBytes)
	for _, content := range []string{"0123456789", "", "\x00é\n\"", strings.Repeat("日", 1000)} {
		put := fmt.Sprintf(`"name":"n é.txt","type":"text/é","data":%q`, content)
		if strings.Contains(content, "\x00") {
			put = `"name":"n é.txt","type":"text/é","data":"\u0000é\n\""`
		}
		want := refText(content, "text/é", "n é.txt")
		p.same("put", p.route("blob.put", put), want)
		p.same("stat", p.route("blob.stat", `"hash":"`+hashOf(content)+`"`), want)
		p.same("the store", p.stored(hashOf(content)), content)
	}
	p.same("without a name", p.route("blob.put", `"data":"nameless"`), refText("nameless", "", ""))
	const most = hostapi.MaxBlobInline
	large := strings.Repeat("abcdefghijklmnopqrstuvwxyz", most/26+1)[:most]
	p.same("the largest", p.route("blob.put", `"n":`+strconv.Itoa(most)), refText(large, "", ""))
	for _, tt := range []struct {
		content        string
		offset, length int64
	}{
		{"0123456789", 0, 10}, {"0123456789", 3, 4}, {"0123456789", 0, 0}, {"0123456789", 5, 0},
		{"0123456789", 8, 100}, {"0123456789", 10, 5}, {"0123456789", 11, 5}, {"0123456789", 1 << 40, 5}, // past the end: fewer, or none
		{"", 0, 5},
		{large, 0, hostapi.MaxBlobRead}, {large, most - 100, hostapi.MaxBlobRead}, {large, 500, 500}, {large, 501, 513},
	} {
		from := min(tt.offset, int64(len(tt.content)))
		want := tt.content[from:min(from+tt.length, int64(len(tt.content)))]
		got := p.route("blob.read", fmt.Sprintf(`"hash":%q,"offset":%d,"length":%d`, hashOf(tt.content), tt.offset, tt.length))
		p.same(fmt.Sprintf("%d bytes from %d on", tt.length, tt.offset), got, hex.EncodeToString([]byte(want))+"|")
	}
}

func isToldWhyNoFile(p *plugin) {
	k := p.keeper(someBytes)
	there := p.uploaded([]byte("there"))
	none := "there is no file " + noFile
	for _, tt := range []struct {
		route, members string
		want           hostapi.Status
		why            string
	}{
		{"blob.stat", `"hash":"` + noFile + `"`, hostapi.NotFound, "file: blobs.stat: " + none},
		{"blob.read", `"length":1,"hash":"` + noFile + `"`, hostapi.NotFound, "file: blobs.read: " + none},
		{"blob.keep", `"owner":"o","hash":"` + noFile + `"`, hostapi.NotFound, "file: blobs.keep: " + none},
		{"zip.list", `"hash":"` + noFile + `"`, hostapi.NotFound, "file: blobs.zip.list: " + none},
		{"zip.entry", `"name":"a","hash":"` + noFile + `"`, hostapi.NotFound, "file: blobs.zip.entry: " + none},
		{"pack", `"entries":[{"name":"a","data":"x"},{"name":"b","hash":"` + noFile + `"}]`, hostapi.NotFound, "file: blobs.pack: " + none},
		{"blob.stat", `"hash":"../../state.db"`, hostapi.Invalid, `"../../state.db" is no SHA-256`},
		{"blob.read", `"length":1,"hash":""`, hostapi.Invalid, "is no SHA-256"},
		{"blob.keep", `"owner":"o","hash":"` + strings.ToUpper(there) + `"`, hostapi.Invalid, "lower-case"},
		{"blob.release", `"owner":"o","hash":"x"`, hostapi.Invalid, "is no SHA-256"},
		{"blob.keep", `"hash":"` + there + `"`, hostapi.Invalid, "needs a name"},
		{"blob.kept", ``, hostapi.Invalid, "needs a name"},
		{"blob.read", `"hash":"` + there + `","offset":-1,"length":1`, hostapi.Invalid, "the offset -1 is below zero"},
		{"blob.read", `"hash":"` + there + `","length":` + strconv.Itoa(hostapi.MaxBlobRead+1), hostapi.Limit, "262145 bytes, at most 262144 are possible"},
		{"blob.put", `"n":` + strconv.Itoa(hostapi.MaxBlobInline+1), hostapi.Limit, "1048577 bytes, at most 1048576 are possible"},
	} {
		e := p.routeRefused(tt.route, tt.members, tt.want)
		if !strings.HasPrefix(e.Message, "file: ") || !strings.Contains(e.Message, tt.why) {
			p.Errorf("%s %s: got %q, want …%s…", tt.route, tt.members, e.Message, tt.why)
		}
	}
	if k.calls.Staged() {
		p.Error("something is staged")
	}
}

// owned asks what an owner keeps.
func (p *plugin) owned(owner string) string {
	p.Helper()
	return p.route("blob.kept", fmt.Sprintf(`"owner":%q`, owner))
}

func keepsFiles(p *plugin) {
	k := p.keeper(someBytes)
	a, b := p.uploaded([]byte("file a")), p.uploaded([]byte("file b"))
	of := func(hash, owner string) string { return fmt.Sprintf(`"hash":%q,"owner":%q`, hash, owner) }
	both := []string{refText("file a", "image/x", "up é"), refText("file b", "image/x", "up é")}
	if a > b {
		both[0], both[1] = both[1], both[0]
	}
	p.same("nothing", p.owned("ö/1"), "")
	p.same("keep", p.route("blob.keep", of(a, "ö/1")), "")
	p.same("what is staged", p.owned("ö/1"), refText("file a", "image/x", "up é"))
	k.begins(call.Options{})
	p.same("what was not committed", p.owned("ö/1"), "")
	for _, hash := range []string{a, b, a} { // twice is as good as once
		p.route("blob.keep", of(hash, "ö/1"))
	}
	k.commits()
	p.same("what was", p.owned("ö/1"), both[0]+both[1])
	p.route("blob.keep", of(b, "2"))
	k.commits()
	p.same("release", p.route("blob.release", of(b, "ö/1")), "")
	p.same("a staged release", p.owned("ö/1"), refText("file a", "image/x", "up é"))
	k.commits()
	p.same("the other owner's", p.owned("2"), refText("file b", "image/x", "up é"))
	// It is no error to give up what one does not keep.
	for _, what := range []string{of(b, "ö/1"), of(a, "nobody"), of(noFile, "ö/1")} {
		p.same("release again", p.route("blob.release", what), "")
	}
	k.commits()
	p.same("afterwards", p.owned("ö/1")+p.owned("2"), refText("file a", "image/x", "up é")+refText("file b", "image/x", "up é"))
}

func keepsWhatIsGranted(p *plugin) {
	k := p.keeper(20)
	p.routeRefused("blob.put", `"n":21`, hostapi.Limit)
	a, b := p.uploaded([]byte("0123456789")), p.uploaded([]byte("abcdefghijk"))
	for _, hash := range []string{a, b} {
		p.same("keep", p.route("blob.keep", fmt.Sprintf(`"hash":%q,"owner":"o"`, hash)), "")
	}
	if err := k.commit(); store.CodeOf(err) != store.Limit {
		p.Errorf("21 bytes of 20: got %v, want limit", err)
	}
	p.same("what is kept", p.owned("o"), "")
	p.route("blob.keep", fmt.Sprintf(`"hash":%q,"owner":"o"`, b))
	k.commits()
	p.same("what is kept", p.owned("o"), refText("abcdefghijk", "image/x", "up é"))
}

func keepsNothingReading(p *plugin) {
	k := p.keeper(someBytes)
	hash := p.uploaded([]byte("file a"))
	k.begins(call.Options{ReadOnly: true})
	for _, route := range []string{"blob.keep", "blob.release"} {
		e := p.routeRefused(route, fmt.Sprintf(`"hash":%q,"owner":"o"`, hash), hostapi.Forbidden)
		p.same(route, e.Message, "file: "+strings.Replace(route, "blob", "blobs", 1)+
			": this call only reads; a GET that changes something is marked writes in the manifest, and so is an action")
	}
	p.same("what it may", p.route("blob.put", `"data":"answer"`), refText("answer", "", ""))
	if k.calls.Staged() {
		p.Error("something is staged")
	}
	p.same("that it knows", p.request(&wire.HTTPRequest{Route: "upload", ReadOnly: true}), "||true|")
}

func hasNoFilesUngranted(p *plugin) {
	p.keeper(0)
	hash := p.uploaded(zipOf(p, "a", "b"))
	for route, op := range map[string]string{
		"blob.put": "put", "blob.read": "read", "blob.stat": "stat", "blob.keep": "keep", "blob.release": "release", "blob.kept": "list",
		"zip.list": "zip.list", "zip.entry": "zip.entry", "pack": "pack",
	} {
		e := p.routeRefused(route, fmt.Sprintf(`"hash":%q,"owner":"o","name":"a","data":"x","length":1,"entries":[]`, hash), hostapi.Forbidden)
		p.same(route, e.Message, "file: blobs."+op+": the capability blobs is not granted")
	}
}

// partedFromOthers: a plugin neither finds what another one keeps nor can take it
// away. Its hash, once told, lets anybody who has the capability read it: that is how
// plugins hand files to one another.
func partedFromOthers(p *plugin) {
	first := p.keeper(someBytes)
	hash := p.uploaded([]byte("of the first"))
	own := fmt.Sprintf(`"hash":%q,"owner":"o"`, hash)
	p.route("blob.keep", own)
	first.commits()
	second := p.keeper(someBytes)
	p.same("what the second finds", p.owned("o"), "")
	p.route("blob.release", own)
	second.commits()
	p.same("what the second keeps", p.route("blob.keep", own)+p.owned("o"), refText("of the first", "image/x", "up é"))
	second.commits()
	p.route("blob.release", own)
	second.commits()
	p.same("what it reads by the hash", p.route("blob.read", own+`,"length":100`), hex.EncodeToString([]byte("of the first"))+"|")
	first.begins(call.Options{})
	p.same("what the first keeps", p.owned("o"), refText("of the first", "image/x", "up é"))
}

func takesUploads(p *plugin) {
	p.keeper(someBytes)
	list := refs(300)
	want := "multipart/form-data; boundary=x|a \"note\" é|false|"
	for _, r := range list {
		want += fmt.Sprintf("%s|%d|%s|%s|", r.Hash, r.Size, r.ContentType, r.Name)
	}
	p.same("a form", p.request(&wire.HTTPRequest{Route: "upload", ContentType: "multipart/form-data; boundary=x",
		Form: []wire.Pair{{Name: "no", Value: "note"}, {Name: "note", Value: `a "note" é`}}, Blobs: list}), want)
	p.same("one file", p.request(&wire.HTTPRequest{Route: "upload", ContentType: "image/tiff",
		Blobs: []wire.BlobRef{{Hash: noFile, Size: 5}}}), "image/tiff||false|"+noFile+"|5|||")
	p.same("nothing", p.request(&wire.HTTPRequest{Route: "upload"}), "||false|")
}

// survivesBrokenHost: what a host answers that is no host of ours gives an error, or
// something, and never a crash.
func survivesBrokenHost(p *plugin) {
	random := rand.New(rand.NewPCG(5, 6))
	whole := (&wire.BlobRefs{Blobs: refs(3)}).Append(nil)
	p.host.Files = hostFunc(func(_ hostapi.HostOp, _, dst []byte) ([]byte, hostapi.Status) {
		answer := append([]byte(nil), whole[:random.IntN(len(whole)+1)]...)
		if random.IntN(2) == 0 {
			for range 3 {
				if len(answer) > 0 {
					answer[random.IntN(len(answer))] = byte(random.Uint32())
				}
			}
		}
		return append(dst, answer...), hostapi.Status(random.IntN(int(hostapi.Gone) + 1))
	})
	for range p.subject.mutations / 20 {
		for _, route := range []string{"blob.put", "blob.read", "blob.stat", "blob.kept", "blob.keep", "zip.list", "zip.entry", "pack"} {
			p.call(hostapi.OpHTTP, p.tree(route, `{"hash":"x","owner":"o","name":"n","data":"d","entries":[{"name":"a","hash":"b"}]}`).Append(nil))
		}
		p.call(hostapi.OpHTTP, (&wire.HTTPRequest{Route: "download", Query: []wire.Pair{{Name: "hash", Value: "x"}, {Name: "offset", Value: "5"},
			{Name: "length", Value: "5"}}}).Append(nil))
	}
	p.keeper(someBytes)
	p.same("afterwards", p.route("blob.put", `"data":"x"`), refText("x", "", ""))
}
