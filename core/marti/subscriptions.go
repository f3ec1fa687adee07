package marti

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
)

// Subscription is a connection of a client (3). What it tells of itself is text,
// empty when it does not.
type Subscription struct {
	DN             *string `json:"dn" doc:"Subject of its certificate"`
	Callsign       string  `json:"callsign"`
	ClientUID      string  `json:"clientUid"`
	LastReport     int64   `json:"lastReportMilliseconds" doc:"Since 1970"`
	TakClient      string  `json:"takClient"`
	TakVersion     string  `json:"takVersion"`
	Username       string  `json:"username"`
	Groups         []Group `json:"groups" nullable:"false"`
	Role           string  `json:"role"`
	Team           string  `json:"team"`
	IPAddress      string  `json:"ipAddress"`
	Port           string  `json:"port"`
	PendingWrites  int     `json:"pendingWrites"`
	NumProcessed   uint64  `json:"numProcessed" doc:"Events that it sent"`
	Protocol       string  `json:"protocol" doc:"Its listener"`
	XPath          *string `json:"xpath" doc:"Always null"`
	UID            string  `json:"subscriptionUid" doc:"Number of the connection"`
	AppFramerate   string  `json:"appFramerate"`
	Battery        string  `json:"battery"`
	BatteryStatus  string  `json:"batteryStatus"`
	BatteryTemp    string  `json:"batteryTemp"`
	DataRx         string  `json:"deviceDataRx"`
	DataTx         string  `json:"deviceDataTx"`
	HeapCurrent    string  `json:"heapCurrentSize"`
	HeapFree       string  `json:"heapFreeSize"`
	HeapMax        string  `json:"heapMaxSize"`
	DeviceIP       string  `json:"deviceIPAddress"`
	StorageFree    string  `json:"storageAvailable"`
	StorageTotal   string  `json:"storageTotal"`
	Incognito      bool    `json:"incognito"`
	HandlerType    string  `json:"handlerType" doc:"What the server sends it: xml or tak1"`
	LastReportDiff int64   `json:"lastReportDiffMilliseconds" doc:"How long ago"`
}

type subscriptionsInput struct {
	Order
	Page  string `query:"page" doc:"From 0 on; -1, the default, is all"`
	Limit string `query:"limit" doc:"Entries of a page; -1, the default, is all"`
}

type uidInput struct {
	UID string `path:"uid"`
}

func (a *api) subscriptionOperations() {
	const subscriptionInfo = "SubscriptionInfo"
	o := op{
		method: http.MethodGet, path: "/Marti/api/subscriptions/all", id: "subscriptions", tag: tagClients, on: onAll,
		summary: "Connections of clients", doc: "Those of the caller's groups. Addresses of others are for administrators and operators.",
		answers: ok[envelope[[]Subscription]](a, "The connections"),
	}
	add(a, o, func(c *call, in *subscriptionsInput) (*reply, error) {
		list, err := sorted(c.clients(), in.Order)
		if err != nil {
			return nil, err
		}
		if list, err = paged(list, in.Page, in.Limit); err != nil {
			return nil, err
		}
		groups := c.groupsByID()
		return enveloped(c.api, subscriptionInfo, each(list, func(cl *Client) Subscription { return c.subscription(cl, groups) }))
	})

	o = op{
		method: http.MethodGet, path: "/Marti/api/subscription/{uid}", id: "subscription", tag: tagClients, on: onAll,
		summary: "Connection of a client", doc: "By the client's uid.",
		answers: with(ok[envelope[Subscription]](a, "The newest connection"), "404", "There is none"),
	}
	add(a, o, func(c *call, in *uidInput) (*reply, error) {
		cl, err := c.connection(in.UID)
		if err != nil {
			return nil, err
		}
		return enveloped(c.api, subscriptionInfo, c.subscription(cl, c.groupsByID()))
	})

	o = op{
		method: http.MethodDelete, path: "/Marti/api/subscriptions/delete/{uid}", id: "subscription-delete", tag: tagClients, on: onAll,
		summary: "End the connection of a client", doc: "By the client's uid or the connection's. The client may connect again.",
		answers: with(ok[envelope[string]](a, "What was done"), "404", "There is none"), access: forAdmin,
	}
	add(a, o, func(c *call, in *uidInput) (*reply, error) {
		cl, err := c.connection(in.UID)
		if err != nil {
			return nil, err
		}
		done := c.Core.Disconnect(cl.Conn, "ended by "+c.caller.User)
		c.Identity.Record(c, c.actor(), "client.disconnect", cl.UID, fmt.Sprintf("connection %d of %s from %s", cl.Conn, cl.User, cl.Addr), done)
		if !done {
			return nil, notFoundf("Not Found: the connection has ended")
		}
		return enveloped(c.api, "String", "ended the connection of "+in.UID)
	})

	o = op{
		method: http.MethodPost, path: "/Marti/api/subscriptions/incognito/{uid}", id: "subscription-incognito", tag: tagClients, on: onAll,
		summary: "Hide a client, or show it again", doc: "Each call turns it over. For the client's own user and administrators.",
		answers: with(map[string]*huma.Response{"200": {Description: "Done, without a body"}}, "404", "There is no such connection"),
	}
	add(a, o, func(c *call, in *uidInput) (*reply, error) {
		cl, err := c.connection(in.UID)
		if err != nil {
			return nil, err
		}
		if !c.isAdmin() && (c.caller.User == "" || cl.User != c.caller.User) {
			return nil, forbiddenf("the client is another user's")
		}
		if !c.Core.SetIncognito(cl.Conn, !cl.Incognito) {
			return nil, notFoundf("Not Found: the connection has ended")
		}
		return empty(http.StatusOK), nil
	})
}

// connection finds the newest connection of a client, or the one of that number.
func (c *call) connection(uid string) (*Client, error) {
	list := c.clients()
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].UID == uid && uid != "" || strconv.FormatUint(list[i].Conn, 10) == uid {
			return &list[i], nil
		}
	}
	return nil, notFoundf("Not Found: no connection of %q", uid)
}

// actor is the caller as the audit names him.
func (c *call) actor() identity.Actor {
	return identity.Actor{User: c.caller.User, Addr: web.AddrOf(c), Via: c.caller.Listener}
}

func (c *call) subscription(cl *Client, groups map[hostapi.GroupID]identity.Group) Subscription {
	at := cl.Since
	if cl.LastSeen != nil {
		at = *cl.LastSeen
	}
	s := Subscription{
		Callsign: cl.Callsign, ClientUID: cl.UID, LastReport: at.UnixMilli(), LastReportDiff: max(c.Now().Sub(at).Milliseconds(), 0),
		TakClient: cl.Platform, TakVersion: cl.Version, Username: cl.User, Role: cl.Role, Team: cl.Team,
		PendingWrites: cl.Queued, NumProcessed: cl.EventsIn, Protocol: cl.Listener, UID: strconv.FormatUint(cl.Conn, 10),
		Incognito: cl.Incognito, HandlerType: cl.Protocol, Groups: []Group{},
	}
	if s.Callsign == "" {
		s.Callsign = s.UID // as the official server does before the first position
	}
	if s.IPAddress, s.Port, _ = net.SplitHostPort(cl.Addr); s.IPAddress == "" {
		s.IPAddress = cl.Addr
	}
	if cert, known := c.Identity.Certificate(cl.Serial); known && cl.Serial != "" {
		s.DN = &cert.Subject
	}
	for _, set := range []struct {
		id        hostapi.SetID
		direction string
	}{{cl.In, identity.DirectionIn}, {cl.Out, identity.DirectionOut}} {
		for _, id := range c.Groups.Members(set.id) {
			if g, known := groups[id]; known && (c.isAdmin() || c.knows(id)) {
				s.Groups = append(s.Groups, groupOf(g, set.direction, true))
			}
		}
	}
	for key, to := range map[string]*string{
		"app_framerate": &s.AppFramerate, "battery": &s.Battery, "battery_status": &s.BatteryStatus, "battery_temp": &s.BatteryTemp,
		"deviceDataRx": &s.DataRx, "deviceDataTx": &s.DataTx,
		"heap_current_size": &s.HeapCurrent, "heap_free_size": &s.HeapFree, "heap_max_size": &s.HeapMax,
		"ip_address": &s.DeviceIP, "storage_available": &s.StorageFree, "storage_total": &s.StorageTotal,
	} {
		*to = cl.Stats[key]
	}
	if !c.maySeeAddress(cl) {
		s.IPAddress, s.Port, s.DeviceIP = "", "", ""
	}
	return s
}

// maySeeAddress says whether the caller may know where a client connects from:
// one's own, and of others those who run the server. By an address people can be
// found and devices attacked, and no client's map needs it.
func (c *call) maySeeAddress(cl *Client) bool {
	return c.isAdmin() || slices.Contains(c.caller.Roles, identity.RoleOperator) || c.caller.User != "" && cl.User == c.caller.User
}

// paged cuts a page out of a list; numbers below 0 are no page at all.
func paged(list []Client, page, limit string) ([]Client, error) {
	p, err := number("page", page, -1)
	if err != nil {
		return nil, err
	}
	n, err := number("limit", limit, -1)
	if err != nil {
		return nil, err
	}
	if p < 0 || n < 0 {
		return list, nil
	}
	const most = 1 << 20 // far more than there are connections
	p, n = min(p, most), min(n, most)
	from := min(p*n, int64(len(list)))
	return list[from:min(from+n, int64(len(list)))], nil
}
