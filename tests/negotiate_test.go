package tests

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// request is a t-x-takp-q.
func request(uid, version string) string {
	return takclient.Event{UID: uid, Type: "t-x-takp-q", How: "m-g", Detail: `<TakControl><TakRequest version="` + version + `"/></TakControl>`}.XML()
}

func TestOfferComesOnceAndBehindTheLatestPositions(t *testing.T) {
	srv := taktest.Start(t)
	a := srv.Client(t)
	takclient.Must(t, a.SA(1, 2))
	a.Sync(t)
	b := srv.Client(t)
	b.ExpectUID(t, a.UID())
	offer := b.ExpectType(t, "t-x-takp-v")
	takclient.Fence(t, a, b)
	b.Sync(t)
	if n := b.Count(takclient.Type("t-x-takp-*")); n != 1 {
		t.Errorf("messages of the negotiation before a request: got %d, want the offer alone", n)
	}
	if all := b.All(); all[0].Header.UID != a.UID() {
		t.Errorf("got %v first, want the position of %s", all[0], a.UID())
	}

	// spec/tak-streaming.md 4: node-tak needs the version of the server, too.
	tree, err := cot.ParseDetail(offer.XML, &offer.Header)
	takclient.Must(t, err)
	control, _ := tree.Root().Child("TakControl")
	support, _ := control.Child("TakProtocolSupport")
	if v, _ := support.Attr("version"); v != "1" {
		t.Errorf("offered version: got %q, want 1", v)
	}
	info, _ := control.Child("TakServerVersionInfo")
	if v, _ := info.Attr("serverVersion"); v == "" {
		t.Error("serverVersion is missing")
	}
	if v, _ := info.Attr("apiVersion"); v != "3" {
		t.Errorf("apiVersion: got %q, want 3", v)
	}
	if h := offer.Header; h.How != "m-g" || h.Stale-h.Time != time.Minute.Microseconds() {
		t.Errorf("offer: got how %q, stale %d µs after time; want m-g, a minute", h.How, h.Stale-h.Time)
	}
	if c := srv.Client(t); c.Negotiation().Offer != nil && c.Negotiation().Offer.Header.UID == offer.Header.UID {
		t.Error("two offers have the same uid, want a fresh one for each connection")
	}
}

func TestOneAnswerAndOnlyToARequest(t *testing.T) {
	srv := taktest.Start(t)
	a := srv.Client(t)
	offer := a.ExpectType(t, "t-x-takp-v")
	a.Sync(t)
	if n := a.Count(takclient.Type("t-x-takp-r")); n != 0 {
		t.Fatalf("answers without a request: got %d, want none", n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), takclient.DefaultWait)
	defer cancel()
	takclient.Must(t, a.Negotiate(ctx))
	if n := a.Negotiation(); n.Answer == nil || n.Answer.Proto || n.Answer.Header.UID != offer.Header.UID {
		t.Errorf("answer: got %v, want one in XML with the offer's uid", n.Answer)
	}
	takclient.Must(t, a.Send(request(offer.Header.UID, "1"))) // in protobuf, once more
	a.Sync(t)
	if n := a.Count(takclient.Type("t-x-takp-r")); n != 1 {
		t.Errorf("answers to two requests: got %d, want 1", n)
	}
}

func TestUnknownVersionIsRefusedAndTheStreamStaysXML(t *testing.T) {
	srv := taktest.Start(t)
	for _, version := range []string{"2", "", "01", "1.0", "1 "} {
		t.Run(fmt.Sprintf("%q", version), func(t *testing.T) {
			a, b := srv.Client(t), srv.Client(t)
			offer := a.ExpectType(t, "t-x-takp-v")
			takclient.Must(t, a.Send(request(offer.Header.UID, version)))
			if r := a.ExpectType(t, "t-x-takp-r"); !strings.Contains(r.XML, `status="false"`) {
				t.Errorf("answer: got %s, want the status false", r.XML)
			}
			present(t, a, b)
			if srv.ClientOf(t, a.UID()).Protocol != "xml" || a.Proto() {
				t.Error("the connection speaks TAK protocol, want XML")
			}
		})
	}
}

func TestClientThatNeverAnswersStaysXML(t *testing.T) {
	srv := taktest.Start(t)
	a, b := srv.Client(t), srv.Client(t, takclient.WithProto())
	present(t, a, b)
	takclient.Fence(t, b, a)
	for _, r := range a.All() {
		if r.Proto {
			t.Errorf("got %v in protobuf, want XML", r)
		}
	}
	if p := srv.ClientOf(t, a.UID()).Protocol; p != "xml" {
		t.Errorf("protocol: got %q, want xml", p)
	}
	if p := srv.ClientOf(t, b.UID()).Protocol; p != "tak1" {
		t.Errorf("protocol: got %q, want tak1", p)
	}
}

// While others send, the byte behind the answer is the first of a frame, and
// nothing but frames follows.
func TestNothingOfXMLBehindTheAnswer(t *testing.T) {
	srv := taktest.Start(t)
	talk := srv.Client(t)
	for range 50 {
		c := takclient.Dial(t, srv.Addr("tcp"), takclient.WithRaw())
		c.ExpectBytes(t, "t-x-takp-v")
		if bytes.Contains(c.Bytes(), []byte("t-x-takp-r")) {
			t.Fatal("an answer came before the request")
		}
		sent := make(chan error, 1)
		go func() { sent <- sendMarkers(talk, 200) }()
		takclient.Must(t, c.Send(request("any", "1")))
		end := c.ExpectBytes(t, `<TakResponse status="true"/></TakControl></detail></event>`)
		takclient.Must(t, <-sent)
		marker, _ := takclient.NewMarker()
		takclient.Must(t, talk.Send(marker.XML()))
		c.ExpectBytes(t, marker.UID)
		rest := c.Bytes()[end:]
		frames := 0
		for len(rest) > 0 {
			f := takproto.Split(rest, takproto.MaxFrame)
			if f.Skip > 0 {
				t.Fatalf("behind the answer and %d frames: got %.80q, want a frame", frames, rest)
			}
			if !f.Complete() {
				break
			}
			rest = rest[f.Size:]
			frames++
		}
		if frames == 0 {
			t.Fatalf("behind the answer: got %.80q, want frames", rest)
		}
		c.Close()
	}
}

func sendMarkers(c *takclient.Client, n int) error {
	for range n {
		e, _ := takclient.NewMarker()
		if err := c.Send(e.XML()); err != nil {
			return err
		}
	}
	return nil
}

// A client that switches misses nothing of what others send meanwhile.
func TestSwitchLosesNothing(t *testing.T) {
	srv := taktest.Start(t)
	talk, c := srv.Client(t), srv.Client(t)
	const n = 3000
	sent := make(chan error, 1)
	var uids [n]string
	var xmls [n]string
	for i := range n {
		e, _ := takclient.NewMarker()
		uids[i], xmls[i] = e.UID, e.XML()
	}
	half := make(chan struct{})
	go func() {
		for i, xml := range xmls {
			if i == n/3 {
				close(half)
			}
			if err := talk.Send(xml); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	<-half
	ctx, cancel := context.WithTimeout(context.Background(), takclient.DefaultWait)
	defer cancel()
	takclient.Must(t, c.Negotiate(ctx))
	takclient.Must(t, <-sent)
	c.ExpectUID(t, uids[n-1])
	for i, uid := range uids {
		if got := c.CountUID(uid); got != 1 {
			t.Fatalf("event %d of %d: got it %d times, want once", i, n, got)
		}
	}
}

func TestOffersAndAnswersOfClientsAreIgnored(t *testing.T) {
	srv := taktest.Start(t)
	a := srv.Client(t)
	a.ExpectType(t, "t-x-takp-v")
	// What a client may not send: an offer, an answer.
	for _, typ := range []string{"t-x-takp-v", "t-x-takp-r"} {
		takclient.Must(t, a.Send(takclient.Event{UID: "U", Type: typ, How: "m-g", Detail: `<TakControl><TakResponse status="true"/></TakControl>`}.XML()))
	}
	a.Sync(t)
	if n := a.Count(takclient.Type("t-x-takp-*")); n != 1 {
		t.Errorf("messages of the negotiation: got %d, want the offer alone", n)
	}
	if err := a.Err(); err != nil {
		t.Errorf("connection: %v, want it open", err)
	}
}
