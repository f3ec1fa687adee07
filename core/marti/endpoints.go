package marti

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
)

const tagClients = "clients"

// ClientEndpoint is a client that is or was connected (3). ATAK compares the
// envelope's type and lastStatus literally.
type ClientEndpoint struct {
	Callsign      string `json:"callsign"`
	UID           string `json:"uid"`
	Username      string `json:"username"`
	Team          string `json:"team"`
	Role          string `json:"role"`
	LastEventTime string `json:"lastEventTime"`
	LastStatus    string `json:"lastStatus" enum:"Connected,Disconnected"`

	at time.Time
	in hostapi.SetID
}

type endpointsInput struct {
	SecAgo  string   `query:"secAgo" doc:"Seen within so many seconds; 0, the default, is any time"`
	Current string   `query:"showCurrentlyConnectedClients" doc:"true: those who are connected"`
	Recent  string   `query:"showMostRecentOnly" doc:"true: each uid once"`
	Group   []string `query:"group,explode" doc:"Clients that may send to this group; it may be repeated. One that is not the caller's is refused"`
}

func (a *api) endpointOperations() {
	add(a, op{
		method: http.MethodGet, path: "/Marti/api/clientEndPoints", id: "client-endpoints", tag: tagClients, on: onAll,
		summary: "Clients that are or were connected",
		doc:     "Those of the caller's groups. Of those who left, the last day before the start of the server and all since are known.",
		answers: ok[envelope[[]ClientEndpoint]](a, "The clients, the latest first"),
	}, listEndpoints)
}

func listEndpoints(c *call, in *endpointsInput) (*reply, error) {
	ago, err := number("secAgo", in.SecAgo, 0)
	if err != nil {
		return nil, err
	}
	if ago < 0 || ago > maxAgo {
		return nil, invalidf("Invalid Request: secAgo is out of range")
	}
	groups, err := c.groupsNamed(in.Group)
	if err != nil {
		return nil, err
	}
	list := c.endpoints(truth(in.Current))
	since := time.Time{}
	if ago > 0 {
		since = c.Now().Add(-time.Duration(ago) * time.Second)
	}
	uids := map[string]bool{}
	list = slices.DeleteFunc(list, func(e ClientEndpoint) bool {
		if e.at.Before(since) || groups != nil && !slices.ContainsFunc(c.Groups.Members(e.in), func(g hostapi.GroupID) bool { return slices.Contains(groups, g) }) {
			return true
		}
		twice := truth(in.Recent) && uids[e.UID]
		uids[e.UID] = true
		return twice
	})
	rep, err := enveloped(c.api, "com.bbn.marti.remote.ClientEndpoint", list)
	if err != nil {
		return nil, err
	}
	return rep.set("Cache-Control", "must-revalidate, max-age=0, no-cache, no-store").set("Expires", "0"), nil
}

// groupsNamed gives the groups of these names, of which the caller must see
// each. Nil: he named none.
func (c *call) groupsNamed(names []string) ([]hostapi.GroupID, error) {
	var ids []hostapi.GroupID
	out := c.Groups.Members(hostapi.SetID(c.caller.OutSet))
	for _, name := range names {
		g, known := c.Identity.Group(name)
		if !known || !c.isAdmin() && !slices.Contains(out, g.ID) {
			return nil, forbiddenf("group %q is not among the caller's", name)
		}
		ids = append(ids, g.ID)
	}
	return ids, nil
}

// endpoints lists the clients that the caller may know of, the latest first.
// Those without a callsign are left out, since ATAK takes none without.
func (c *call) endpoints(connected bool) []ClientEndpoint {
	list := []ClientEndpoint{}
	here := map[seenKey]bool{}
	for _, cl := range c.contacts() {
		here[seenKey{cl.User, cl.UID}] = true
		if cl.Callsign == "" {
			continue
		}
		at := cl.Since
		if cl.LastSeen != nil {
			at = *cl.LastSeen
		}
		list = append(list, ClientEndpoint{
			Callsign: cl.Callsign, UID: cl.UID, Username: cl.User, Team: cl.Team, Role: cl.Role, LastStatus: "Connected", at: at, in: cl.In,
		})
	}
	if !connected {
		// Who hides is connected, though not to be told of: not even as gone.
		for _, cl := range c.Core.Clients(c) {
			here[seenKey{cl.User, cl.UID}] = true
		}
		for key, s := range c.Roster.all() {
			own := c.caller.User != "" && key.user == c.caller.User
			if here[key] || s.callsign == "" || !own && !c.sees(s.in) {
				continue
			}
			list = append(list, ClientEndpoint{
				Callsign: s.callsign, UID: key.uid, Username: key.user, Team: s.team, Role: s.role, LastStatus: "Disconnected", at: s.at, in: s.in,
			})
		}
	}
	for i := range list {
		list[i].LastEventTime = stamp(list[i].at)
	}
	slices.SortFunc(list, func(a, b ClientEndpoint) int {
		if n := b.at.Compare(a.at); n != 0 {
			return n
		}
		return strings.Compare(a.UID+"\x00"+a.Username, b.UID+"\x00"+b.Username)
	})
	return list
}
