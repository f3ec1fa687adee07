package conformance

import (
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
)

var requestCases = []conformanceCase{
	{name: "reads all of a request", run: readsAllOfRequest},
	{name: "reads bodies in JSON", run: readsJSON},
	{name: "reads bodies in XML", run: readsXML},
	{name: "reads large bodies", run: readsLargeBodies},
	{name: "answers with parts and headers", run: answersParts},
	{name: "answers with nothing", run: answersNothing},
	{name: "answers at length", run: answersAtLength},
	{name: "knows its routes", run: func(p *plugin) {
		p.refused(hostapi.OpHTTP, (&wire.HTTPRequest{Route: "none"}).Append(nil), hostapi.Unsupported)
	}},
}

// tree makes a request with a body in JSON.
func (p *plugin) tree(route, doc string) *wire.HTTPRequest {
	p.Helper()
	return &wire.HTTPRequest{Route: route, Tree: p.json(doc)}
}

func readsAllOfRequest(p *plugin) {
	got := p.request(&wire.HTTPRequest{
		Route: "request", Method: "PUT", Path: "/x/7", ContentType: "text/é",
		Params:  []wire.Pair{{Name: "other", Value: "0"}, {Name: "id", Value: "7"}},
		Query:   []wire.Pair{{Name: "q", Value: "é&="}, {Name: "r", Value: "no"}},
		Headers: []wire.Pair{{Name: "x-b", Value: "no"}, {Name: "x-a", Value: "yes"}},
		Form:    []wire.Pair{{Name: "f", Value: "line\nline"}},
		Body:    []byte("a\"b\\\n\x00\x01é"),
		Caller: &wire.Caller{User: "linde", Name: "Linde É", Roles: []string{"admin", "b"}, InSet: -1, OutSet: 1 << 30,
			Client: "ANDROID-1", Via: []string{"chat", "x"}},
	})
	p.same("the request", got, "request|PUT|/x/7|text/é|7|é&=||yes|line\nline|a\"b\\\n\x00\x01é|linde|Linde É|admin|b|-1|1073741824|ANDROID-1|chat|x|0:{}")
	p.same("an empty one", p.request(&wire.HTTPRequest{Route: "request"}), "request||||||||||||0|0||0:{}")
}

func readsJSON(p *plugin) {
	const empty = "request||||||||||||0|0||"
	for doc, want := range map[string]string{
		`{"a":[1,-2.50e3,"x\u0000é\ud83d\ude00",true,false,null,{}],"b":{"c":[[]]},"":""}`: "2:{}[3:a{}[5:{}1][5:{}-2.50e3][4:{}x\x00é😀][6:{}true][6:{}false][7:{}][2:{}]][2:b{}[3:c{}[3:{}]]][4:{}]",
		`"text"`:                  "4:{}text",
		`[]`:                      "3:{}",
		`null`:                    "7:{}",
		`12345678901234567890123`: "5:{}12345678901234567890123",
	} {
		p.same(doc, p.request(p.tree("request", doc)), empty+want)
	}
}

func readsXML(p *plugin) {
	doc, err := tree.AppendXML(nil, `<?xml version="1.0"?><a name="&quot;ü&#65;" empty=""><b:c role='x'>text<![CDATA[<&>]]></b:c> <d/>tail</a>`)
	if err != nil {
		p.Fatal(err)
	}
	got := p.request(&wire.HTTPRequest{Route: "request", Tree: doc})
	p.same("the tree", got, "request||||||||||||0|0||1:a{name=\"üA,empty=,}"+" tail"+"[1:b:c{role=x,}text<&>][1:d{}]")
}

func readsLargeBodies(p *plugin) {
	for _, n := range []int{1, 1 << 20, 3} {
		body := strings.Repeat("\xff", n)
		p.same("the body", p.request(&wire.HTTPRequest{Route: "sum", Body: []byte(body)}), sumOf(body))
	}
}

func answersParts(p *plugin) {
	from := p.key(index.String("a"))
	want := wire.HTTPResponse{
		Status: 207, ContentType: "text/x", Headers: []wire.Pair{{Name: "x-a", Value: "b"}, {Name: "x-ä"}},
		Parts: []wire.Part{
			{Data: []byte("[")},
			{Range: &wire.RangePart{Query: &wire.Query{Collection: "seen", Index: "by-kinds", From: from, To: append(from[:len(from):len(from)], 0xff)}, Separator: ","}},
			{Document: &wire.DocumentPart{Collection: "seen", ID: "x"}},
			{Data: []byte("]")},
		},
	}
	var got wire.HTTPResponse
	p.must(hostapi.OpHTTP, &wire.HTTPRequest{Route: "response"}, &got)
	if diff := cmp.Diff(want, got); diff != "" {
		p.Errorf("(-want +got):\n%s", diff)
	}
}

func answersNothing(p *plugin) {
	var got wire.HTTPResponse
	p.must(hostapi.OpHTTP, &wire.HTTPRequest{Route: "sick"}, &got)
	for _, part := range got.Parts {
		if len(part.Data) > 0 {
			p.Errorf("got a part %q", part.Data)
		}
	}
	if got.Status != 0 || got.ContentType != "" || len(got.Headers) > 0 {
		p.Errorf("got %+v, want what the route declares", got)
	}
}

func answersAtLength(p *plugin) {
	for _, n := range []int{0, 1, 511, 512, 70000, 3 << 20, 5} {
		got := p.route("large", `"n":`+strconv.Itoa(n))
		if want := strings.Repeat("abcdefghijklmnopqrstuvwxyz", n/26+1)[:n]; got != want {
			p.Errorf("%d bytes: got %d, which begin with %.40q", n, len(got), got)
		}
	}
}
