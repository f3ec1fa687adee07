package route

import (
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// link gives the attributes of detail/link.
func link(t *testing.T, e *hostapi.Event) map[string]string {
	t.Helper()
	tree, err := cot.ParseDetail(e.XML, &e.Header)
	if err != nil {
		t.Fatal(err)
	}
	n, ok := tree.Root().Child("link")
	if !ok {
		t.Fatalf("no link in %s", e.XML)
	}
	attrs := map[string]string{}
	for name, value := range n.Attrs {
		attrs[name] = value
	}
	return attrs
}

func TestMissionGoesToTheTopicsMembersAlone(t *testing.T) {
	b := newBed(t)
	x, y, z := b.client("X", "XRAY", Who{}), b.client("Y", "YANKEE", Who{}), b.client("Z", "ZULU", Who{})
	machine := b.join(Who{User: "cloudtak"})
	b.SetTopic(Topic{ID: "guid-1", Members: []Member{{UID: "X", Publish: true}, {UID: "Y"}, {User: "cloudtak", UID: AnyUID}}})
	b.SetAlias("op", "guid-1")
	quiet(x, y, z, machine)

	x.dest("by-name", `mission="op"`)
	b.got(y, "b-t-f by-name")
	b.got(machine, "b-t-f by-name")
	b.got(z)
	b.got(x) // no echo, and chat to a mission does not come back

	x.dest("by-guid", `mission-guid="guid-1"`, `uid="Z"`)
	b.got(y, "b-t-f by-guid")
	b.got(z, "b-t-f by-guid")
	quiet(machine)

	// Y may read, but not write: its event reaches nobody.
	y.send("u-d-f", "no", `<marti><dest mission="op"/></marti>`)
	z.send("u-d-f", "no", `<marti><dest mission="op"/></marti>`)
	b.got(x)
	b.got(machine)

	b.DropTopic("guid-1")
	x.send("u-d-f", "late", `<marti><dest mission="op"/></marti>`)
	b.got(y)
}

func TestAliasMeansTopicsWhereTheSenderMayPublish(t *testing.T) {
	b := newBed(t)
	x, y, z := b.client("X", "XRAY", Who{}), b.client("Y", "YANKEE", Who{}), b.client("Z", "ZULU", Who{})
	b.SetTopic(Topic{ID: "1", Members: []Member{{UID: "X", Publish: true}, {UID: "Y", Publish: true}}})
	b.SetTopic(Topic{ID: "2", Members: []Member{{UID: "Z", Publish: true}, {UID: "Y", Publish: true}}})
	b.SetAlias("op", "1", "2")
	quiet(x, y, z)
	x.dest("m", `mission="op"`)
	b.got(y, "b-t-f m")
	b.got(z)
	y.dest("n", `mission="op"`)
	b.got(x, "b-t-f n")
	b.got(z, "b-t-f n")
	b.SetAlias("op")
	y.send("u-d-f", "o", `<marti><dest mission="op"/></marti>`)
	b.got(x)
}

func TestMembersAreUserAndUID(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{User: "xavier"})
	impostor := b.client("Y", "YANKEE", Who{User: "mallory"})
	y := b.client("Y", "YANKEE", Who{User: "yvonne"})
	b.SetTopic(Topic{ID: "1", Members: []Member{{User: "xavier", UID: "X", Publish: true}, {User: "yvonne", UID: "Y", Publish: true}}})
	b.SetAlias("op", "1")
	quiet(x, y, impostor)
	x.dest("m", `mission="op"`)
	b.got(y, "b-t-f m")
	b.got(impostor)
	impostor.send("u-d-f", "n", `<marti><dest mission="op"/></marti>`)
	b.got(x)
}

func TestMachineThatReportsAPositionIsNoMachine(t *testing.T) {
	b := newBed(t)
	x := b.client("X", "XRAY", Who{})
	m := b.client("M", "MIKE", Who{User: "cloudtak"})
	b.SetTopic(Topic{ID: "1", Members: []Member{{UID: "X", Publish: true}, {User: "cloudtak", UID: AnyUID}}})
	b.SetAlias("op", "1")
	quiet(x, m)
	x.dest("m", `mission="op"`)
	b.got(m)
}

func TestTopicsKeepToGroups(t *testing.T) {
	b := newBed(t)
	red, blue := b.set(2), b.set(3)
	x := b.client("X", "XRAY", Who{In: red, Out: red})
	y := b.client("Y", "YANKEE", Who{In: blue, Out: blue})
	b.SetTopic(Topic{ID: "1", Members: []Member{{UID: "X", Publish: true}, {UID: "Y", Publish: true}}})
	b.SetAlias("op", "1")
	quiet(x, y)
	x.dest("m", `mission="op"`)
	b.got(y)
}

func headerOf(uid string) cot.Header { return cot.Header{UID: uid} }
