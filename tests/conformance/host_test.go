package conformance

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

var hostCases = []conformanceCase{
	{name: "emits to an audience", run: emitsToAudience},
	{name: "logs at all levels", run: logsAtLevels},
	{name: "asks the clock", run: asksClock},
	{name: "asks for random bytes", run: asksRandom},
	{name: "sets and cancels timers", run: setsTimers},
	{name: "asks who is connected", run: asksClients},
	{name: "asks who somebody is", run: asksIdentity},
	{name: "calls other plugins", run: callsOthers},
	{name: "takes answers of any length", run: takesAnswers},
}

// sumOf is how the guests measure bytes.
func sumOf(b string) string {
	n := 0
	for i := range len(b) {
		n += int(b[i])
	}
	return fmt.Sprintf("%d|%d|", len(b), n)
}

func emitsToAudience(p *plugin) {
	tests := []struct {
		name, members string
		want          wire.Emission
	}{
		{"groups", `"xml":"<event é='\"'/>","groups":["Blue","Grün"]`,
			wire.Emission{XML: `<event é='"'/>`, Audience: &wire.Audience{Groups: []string{"Blue", "Grün"}}}},
		{"all, fleeting", `"xml":"<e/>","all":true,"fleeting":true`, wire.Emission{XML: "<e/>", Audience: &wire.Audience{All: true}, Fleeting: true}},
		{"names within a set", `"xml":"<e/>","uids":["A","B"],"callsigns":["C"],"topic":"t/1","set":-7,"except":["A"]`,
			wire.Emission{XML: "<e/>", Audience: &wire.Audience{UIDs: []string{"A", "B"}, Callsigns: []string{"C"}, Topic: "t/1", Set: -7, Except: []string{"A"}}}},
		{"as an event", `"xml":"<e/>","event":4611686018427387905`, wire.Emission{XML: "<e/>", Audience: &wire.Audience{AsEvent: 1<<62 + 1}}},
		{"large", `"xml":"` + strings.Repeat("<e/>", 50000) + `","all":true`,
			wire.Emission{XML: strings.Repeat("<e/>", 50000), Audience: &wire.Audience{All: true}}},
	}
	for i, tt := range tests {
		p.same(tt.name, p.route("emit", tt.members), "")
		sent := p.host.did().sent
		if len(sent) != i+1 {
			p.Fatalf("%s: got %d events, want %d", tt.name, len(sent), i+1)
		}
		if diff := cmp.Diff(tt.want, sent[i]); diff != "" {
			p.Errorf("%s (-want +got):\n%.2000s", tt.name, diff)
		}
	}
}

func logsAtLevels(p *plugin) {
	p.route("log", `"message":"a line é\nand \"one\""`)
	var want []wire.Log
	attrs := !p.lacks(attributes)
	for _, l := range []struct {
		level wire.Level
		name  string
	}{{wire.LevelDebug, "debug"}, {wire.LevelInfo, "info"}, {wire.LevelWarn, "warn"}, {wire.LevelError, "error"}} {
		line := wire.Log{Level: l.level, Message: "a line é\nand \"one\""}
		if attrs {
			line.Attributes = []wire.Pair{{Name: "as", Value: l.name}}
		}
		want = append(want, line)
	}
	if diff := cmp.Diff(want, p.host.did().logs); diff != "" {
		p.Errorf("log (-want +got):\n%s", diff)
	}
	p.host.Fail = map[hostapi.HostOp]hostapi.Status{hostapi.HostLog: hostapi.Limit}
}

func asksClock(p *plugin) {
	for _, now := range []int64{1787220672345678, 1787220672345679, 1} {
		p.host.Now = now
		p.same("now", p.route("clock", ""), fmt.Sprint(now, "|"))
	}
}

func asksRandom(p *plugin) {
	for _, n := range []int{1, 16, hostapi.MaxRandom} {
		want, _ := random((&wire.RandomRequest{N: uint32(n)}).Append(nil), nil)
		p.same("random", p.route("random", `"n":`+strconv.Itoa(n)), hex.EncodeToString(want)+"|")
	}
	p.same("too many", p.routeRefused("random", `"n":1025`, hostapi.Limit).Message, "random: too many bytes")
}

func setsTimers(p *plugin) {
	p.route("timer.set", `"name":"a é","at":1787220672345678,"every":30000000,"data":"d\u0000é"`)
	p.route("timer.set", `"name":"b","every":1`)
	p.route("timer.cancel", `"name":"a é"`)
	want := []wire.TimerSet{
		{Name: "a é", At: 1787220672345678, Every: 30000000, Data: []byte("d\x00é")}, {Name: "b", Every: 1}, {Name: "a é"},
	}
	did := p.host.did()
	if diff := cmp.Diff(want, did.timers, cmpopts.EquateEmpty()); diff != "" {
		p.Errorf("timers (-want +got):\n%s", diff)
	}
	if ops := did.asked[len(did.asked)-3:]; ops[0] != hostapi.HostTimerSet || ops[2] != hostapi.HostTimerCancel {
		p.Errorf("asked: got %v", ops)
	}
}

func asksClients(p *plugin) {
	p.same("nobody", p.route("clients", ""), "")
	p.host.Clients = []wire.Client{
		{UID: "A", Callsign: "LINDE é", Team: "Cyan", OutSet: -4, Lat: -48.125, Lon: 11, Located: true},
		{UID: "B", Callsign: "B"},
		{UID: "C", Callsign: "C", Lat: 90},
	}
	p.same("all", p.route("clients", ""), "A|LINDE é|Cyan|-4|-48125|B|B||0|0|C|C||0|90000|")
	p.same("by callsign", p.route("clients", `"callsigns":["C","LINDE é","none"]`), "A|LINDE é|Cyan|-4|-48125|C|C||0|90000|")
}

func asksIdentity(p *plugin) {
	p.host.Identities = map[wire.IdentityQuery]wire.Identity{
		{User: "linde é"}:           {User: "linde é", Name: "Linde", Roles: []string{"operator", "user"}, InSet: 3, OutSet: -4},
		{Set: 7}:                    {Groups: []string{"Blue", "Rot é"}},
		{CertificateSerial: "0A1B"}: {User: "anna", Certificate: []byte("\x30\x00\xff"), Revoked: true},
	}
	p.same("a user", p.route("identity", `"user":"linde é"`), "linde é|Linde|operator|user|3|-4||")
	p.same("a set", p.route("identity", `"set":7`), "||0|0|Blue|Rot é||")
	p.same("a certificate", p.route("identity", `"serial":"0A1B"`), "anna||0|0|3000ff|revoked|")
	p.same("nobody", p.routeRefused("identity", `"user":"none"`, hostapi.NotFound).Message, "identity: nobody has that")
}

func callsOthers(p *plugin) {
	p.same("the answer", p.route("call", `"name":"chat.send","version":2,"body":"é\u0000"`), "answer to é\x00|")
	want := []wire.Action{{Name: "chat.send", Version: 2, Body: []byte("é\x00")}}
	if diff := cmp.Diff(want, p.host.did().calls); diff != "" {
		p.Errorf("calls (-want +got):\n%s", diff)
	}
}

// takesAnswers: those that fit into the buffer that a guest has ready, and longer
// ones, which it has to take.
func takesAnswers(p *plugin) {
	sizes := []int{0, 1, 4000, 4096, 5000, 300 << 10, 2 << 20, 10}
	for i := range 48 { // so that one of them fills the buffer exactly
		sizes = append(sizes, 512-i, 32<<10-i)
	}
	for _, n := range sizes {
		body := strings.Repeat("x", n)
		p.host.Put("c", "long", body)
		p.same("of the store", p.route("sum", `"collection":"c","id":"long"`), sumOf(body))
		if n > 300<<10 || n%16 != 0 {
			continue // more than a request may have, or than needs be
		}
		p.same("of an action", sumOf(p.route("call", `"name":"x.y","body":"`+body+`"`)), sumOf("answer to "+body+"|"))
	}
	p.host.Page = 1000
	for i := range 1000 {
		p.host.Put("many", fmt.Sprintf("%04d", i), "body")
	}
	if got := p.route("query", `"collection":"many","limit":1000`); strings.Count(got, "|body|") != 1000 {
		p.Errorf("a page of 1000: got %d documents", strings.Count(got, "|body|"))
	}
}
