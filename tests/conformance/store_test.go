package conformance

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
)

var storeCases = []conformanceCase{
	{name: "writes and reads documents", run: writesDocuments},
	{name: "writes the keys that Go writes", run: writesKeys},
	{name: "finds by the order of an index", run: findsByIndex},
	{name: "finds by the order of ids", run: findsByID},
	{name: "goes over pages", run: goesOverPages},
	{name: "counts up", run: countsUp},
}

func writesDocuments(p *plugin) {
	put := func(more string) {
		p.Helper()
		p.same("put", p.route("put", `"collection":"notes","id":"é1",`+more), "")
	}
	p.same("get", p.routeRefused("get", `"collection":"notes","id":"é1"`, hostapi.NotFound).Message, "there is no é1")
	put(`"body":"one\u0000 日"`)
	p.same("the first", p.route("get", `"collection":"notes","id":"é1"`), "é1|one\x00 日|1|")
	put(`"body":"","set":-3,"keys":{"a":[{"int":"1"}],"b":[{"text":"x"},{"bool":"true"}]}`)
	p.same("the second", p.route("get", `"collection":"notes","id":"é1"`), "é1||2|")
	d := p.host.document("notes", "é1")
	if d.Set != -3 || len(d.keys) != 2 || !bytes.Equal(d.keys["b"], p.key(index.String("x"), index.Bool(true))) {
		p.Errorf("got the set %d and keys %x", d.Set, d.keys)
	}
	e := p.routeRefused("put", `"collection":"notes","id":"é1","new":true`, hostapi.Conflict)
	p.same("must be new", e.Message, "put: é1 is there")
	p.same("new", p.route("put", `"collection":"notes","id":"2","new":true`), "")
	p.same("delete", p.route("delete", `"collection":"notes","id":"é1"`), "true|")
	p.same("delete again", p.route("delete", `"collection":"notes","id":"é1"`), "false|")
	if got := p.host.Documents("notes"); len(got) != 1 {
		p.Errorf("left: got %v, want document 2", got)
	}
}

func (p *plugin) key(values ...index.Value) []byte {
	p.Helper()
	b, err := index.AppendTuple(nil, values...)
	if err != nil {
		p.Fatal(err)
	}
	return b
}

// tuple is values as the guests read them.
func tuple(values ...index.Value) string {
	list := []map[string]string{}
	for _, v := range values {
		text := fmt.Sprint(v.Int())
		switch v.Kind() {
		case index.KindBool:
			text = fmt.Sprint(v.Bool())
		case index.KindFloat:
			text = fmt.Sprint(math.Float64bits(v.Float()))
		case index.KindString:
			text = v.Text()
		case index.KindBytes:
			text = hex.EncodeToString([]byte(v.Text()))
		}
		kind := v.Kind().String()
		if v.Kind() == index.KindString {
			kind = "text"
		}
		list = append(list, map[string]string{kind: text})
	}
	b, err := json.Marshal(list)
	if err != nil {
		panic(err) // maps of texts
	}
	return string(b)
}

// someValues are of all kinds, in their order.
func someValues() []index.Value {
	day := time.Date(2026, 8, 20, 10, 11, 12, 345678000, time.UTC)
	values := []index.Value{index.Bool(false), index.Bool(true)}
	for _, v := range []int64{math.MinInt64, math.MinInt64 + 1, -1 << 40, -256, -1, 0, 1, 255, 1 << 40, math.MaxInt64} {
		values = append(values, index.Int(v))
	}
	for _, v := range []float64{math.Inf(-1), -math.MaxFloat64, -2.5e300, -1, -5e-324, 0, 5e-324, 0.1, 1, 1.5, math.MaxFloat64, math.Inf(1)} {
		values = append(values, index.Float(v))
	}
	for _, v := range []int64{-62135596800e6, -1, 0, 1, day.UnixMicro(), 253402300799e6} { // the years 1 to 9999
		values = append(values, index.Micros(v))
	}
	for _, v := range []string{"", "\x00", "\x00\x00", "\x00a", "a", "a\x00", "a\x00b", "aa", "b", "é", "日", "\U0010ffff"} {
		values = append(values, index.String(v))
	}
	for _, v := range []string{"", "\x00", "\x00\xff", "\x01", "\xfe\x00", "\xff", "\xff\xff"} {
		values = append(values, index.Bytes([]byte(v)))
	}
	return values
}

func writesKeys(p *plugin) {
	check := func(values ...index.Value) {
		p.Helper()
		p.request(p.tree("key", tuple(values...)))
		got, want := p.host.document("keys", "k").keys["any"], p.key(values...)
		if !bytes.Equal(got, want) {
			p.Errorf("%v %s: got the key %x, want %x", values[0].Kind(), tuple(values...), got, want)
		}
	}
	values := someValues()
	for i, v := range values {
		check(v)
		check(v, values[len(values)-1-i], index.Int(int64(i)), v)
	}
	// -0 is 0.
	p.request(p.tree("key", `[{"float":"9223372036854775808"}]`))
	if got := p.host.document("keys", "k").keys["any"]; !bytes.Equal(got, p.key(index.Float(0))) {
		p.Errorf("-0: got the key %x", got)
	}
	// NaN: refused by the SDK or by the store.
	in := p.tree("key", `[{"float":"9221120237041090561"}]`).Append(nil)
	if out, status := p.call(hostapi.OpHTTP, in); status == hostapi.OK {
		p.Errorf("NaN: got ok %q", out)
	}
}

func findsByIndex(p *plugin) {
	values := someValues()
	type row struct {
		id    string
		value index.Value
	}
	var rows []row
	for i, v := range values {
		rows = append(rows, row{fmt.Sprintf("d%d", (i*37)%len(values)), v})
		p.route("put", fmt.Sprintf(`"collection":"c","id":%q,"body":"b%d","keys":{"by":%s}`, rows[i].id, i, tuple(v, index.Int(1))))
	}
	p.route("put", `"collection":"c","id":"no key"`)
	find := func(members string) string {
		p.Helper()
		return p.route("query", `"collection":"c","index":"by",`+members)
	}
	want := func(from, to int) []string {
		var list []string
		for i := from; i < to; i++ {
			list = append(list, fmt.Sprintf("%s|b%d|%x|", rows[i].id, i, p.key(values[i], index.Int(1))))
		}
		return list
	}
	n := len(values)
	p.same("all", find(`"limit":7`), strings.Join(want(0, n), ""))
	all := want(0, n)
	slices.Reverse(all)
	p.same("descending", find(`"descending":true`), strings.Join(all, ""))
	p.same("from", find(`"from":`+tuple(values[10])), strings.Join(want(10, n), ""))
	p.same("before", find(`"before":`+tuple(values[20])), strings.Join(want(0, 20), ""))
	p.same("between", find(`"from":`+tuple(values[3])+`,"before":`+tuple(values[n-2])+`,"limit":5`), strings.Join(want(3, n-2), ""))
	for _, i := range []int{1, 5, 17, 25, 31, n - 1} {
		p.same("is", find(`"is":`+tuple(values[i])), strings.Join(want(i, i+1), ""))
	}
	p.same("is none", find(`"is":`+tuple(index.Int(2))), "")
	p.same("count", p.route("count", `"collection":"c","index":"by","from":`+tuple(values[10])), fmt.Sprint(n-10, "|"))
}

func findsByID(p *plugin) {
	for _, id := range []string{"b", "a", "é", "aa", "c"} {
		p.host.Put("c", id, "body of "+id)
	}
	want := func(ids ...string) (all string) {
		for _, id := range ids {
			all += id + "|body of " + id + "||"
		}
		return all
	}
	p.same("all", p.route("query", `"collection":"c"`), want("a", "aa", "b", "c", "é"))
	p.same("descending", p.route("query", `"collection":"c","descending":true,"limit":2`), want("é", "c", "b", "aa", "a"))
	p.same("between", p.route("query", `"collection":"c","from":[{"text":"aa"}],"before":[{"text":"c"}]`), want("aa", "b"))
	p.same("is", p.route("query", `"collection":"c","is":[{"text":"a"}]`), want("a"))
	p.same("none", p.route("query", `"collection":"none"`), "")
	p.same("count", p.route("count", `"collection":"c","from":[{"text":"b"}]`), "3|")
}

func goesOverPages(p *plugin) {
	p.host.Page = 3
	want := ""
	for i := range 20 {
		id := fmt.Sprintf("%02d", i)
		p.host.Put("c", id, "")
		want += id + "|||"
	}
	p.same("all", p.route("query", `"collection":"c","limit":50`), want)
	asked := slices.DeleteFunc(p.host.did().asked, func(op hostapi.HostOp) bool { return op != hostapi.HostQuery })
	if len(asked) != 7 {
		p.Errorf("got %d pages, want 7", len(asked))
	}
}

func countsUp(p *plugin) {
	for _, want := range []string{"1|", "2|", "3|"} {
		p.same("n", p.route("counter", `"name":"n é"`), want)
	}
	p.same("another", p.route("counter", `"name":"m"`), "1|")
}
