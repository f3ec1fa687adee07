package marti

import (
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/hostapi"
)

// chosen is a group as clients send it back. Of all the fields they send, only
// these count: ATAK's created is a number of milliseconds then (4).
type chosen struct {
	Name      string `json:"name"`
	Direction string `json:"direction"`
	Active    *bool  `json:"active"` // nil: true
}

type activeInput struct {
	ClientUID string `query:"clientUid" doc:"UID of the device that asks; the notice of the change bears it"`
}

func (a *api) channelOperations() {
	o := op{
		method: http.MethodGet, path: "/Marti/api/groups/groupCacheEnabled", id: "channels-enabled", tag: tagGroups, on: onAll,
		summary: "Whether the caller can choose channels", doc: "ATAK shows its channels if so. It takes a user, and a certificate with the key usage for it.",
		answers: ok[envelope[bool]](a, "Whether he can"),
	}
	add(a, o, func(c *call, _ *none) (*reply, error) {
		return enveloped(c.api, "java.lang.Boolean", c.switches())
	})

	groups := &huma.Schema{Type: "array", Items: &huma.Schema{Type: "object", AdditionalProperties: true, Properties: map[string]*huma.Schema{
		"name": {Type: "string"}, "direction": {Type: "string"}, "active": {Type: "boolean"},
	}}}
	bits := &huma.Schema{Type: "array", Items: &huma.Schema{Type: "integer"}}
	put := func(path, id, summary, doc string, body *huma.RequestBody) op {
		return op{
			method: http.MethodPut, path: path, id: id, tag: tagGroups, on: onAll, summary: summary, doc: doc, body: body,
			answers: with(map[string]*huma.Response{"200": {Description: "Done, without a body"}}, "400", "The body is not what it should be"),
			access:  reading, // who may only read chooses what he sees
		}
	}
	const after = " Connections of the device get the notice t-x-g-c and the latest positions."
	add(a, put("/Marti/api/groups/active", "channels", "Choose channels", "Groups that the body does not name stay as they are."+after,
		jsonBody("Groups of the caller as groups/all lists them", groups)), setChannels)
	add(a, put("/Marti/api/groups/activebits", "channels-bits", "Choose channels by number", "All others are off."+after,
		jsonBody("Numbers (bitpos) of the groups that stay active", bits)), setBits)
	o = put("/Marti/api/groups/activeForce", "channels-force", "Choose the channels of a user", "On all his devices."+after,
		jsonBody("Groups as groups/all lists them", groups))
	o.access = forAdmin
	add(a, o, forceChannels)
}

// device is the key under which the caller's channels are kept. With a
// certificate it is the uid that this was given for, none included, and not the
// one that the request names: a connection is known by its certificate alone
// before it says anything, and has to find the same choice. Without one it is
// the device that the request names, if the caller has enrolled it, or else
// whatever he has without a certificate.
func (c *call) device(clientUID string) string {
	if cert, known := c.Identity.Certificate(c.caller.CertificateSerial); known {
		return cert.ClientUID
	}
	f := identity.CertificateFilter{User: c.caller.User, ClientUID: clientUID}
	if clientUID == "" || c.caller.User == "" || len(c.Identity.Certificates(f)) == 0 {
		return ""
	}
	return clientUID
}

// switches says whether the caller can choose channels: a user, who shows no
// certificate or one with the key usage for it (4).
func (c *call) switches() bool {
	if c.caller.CertificateSerial != "" {
		cert, known := c.Identity.Certificate(c.caller.CertificateSerial)
		return known && cert.Channels
	}
	_, known := c.Identity.User(c.caller.User)
	return known
}

// own gives the channels that the caller can choose from.
func (c *call) own(device string) ([]identity.Channel, error) {
	if !c.switches() {
		return nil, forbiddenf("channels cannot be chosen by this caller: his certificate is not made for it, or he is no user")
	}
	return c.Identity.Channels(c.caller.User, device), nil
}

func setChannels(c *call, in *activeInput) (*reply, error) {
	device := c.device(in.ClientUID)
	channels, err := c.own(device)
	if err != nil {
		return nil, err
	}
	list, err := c.chosen()
	if err != nil {
		return nil, err
	}
	if err := c.Identity.SetChannels(c, c.actor(), c.caller.User, device, inactive(channels, list)); err != nil {
		return nil, err
	}
	c.Core.Regroup(c.caller.User, device, in.ClientUID)
	return empty(http.StatusOK), nil
}

// chosen reads the body of a choice.
func (c *call) chosen() ([]chosen, error) {
	var list []chosen
	if err := c.readJSON(&list); err != nil {
		return nil, err
	}
	if list == nil {
		return nil, invalidf("Invalid Request Body")
	}
	return list, nil
}

// inactive gives the names of the groups that are off after a choice. A group
// is on if one of its directions is: clients send both, or OUT alone.
func inactive(channels []identity.Channel, list []chosen) []string {
	on := map[string]bool{}
	for _, ch := range channels {
		on[ch.Group.Name] = on[ch.Group.Name] || ch.Active
	}
	named := map[string]bool{}
	for _, g := range list {
		if _, own := on[g.Name]; own {
			named[g.Name] = named[g.Name] || g.Active == nil || *g.Active
		}
	}
	for name, active := range named {
		on[name] = active
	}
	off := []string{}
	for name, active := range on {
		if !active {
			off = append(off, name)
		}
	}
	slices.Sort(off)
	return off
}

func setBits(c *call, in *activeInput) (*reply, error) {
	device := c.device(in.ClientUID)
	channels, err := c.own(device)
	if err != nil {
		return nil, err
	}
	var bits []hostapi.GroupID
	if err := c.readJSON(&bits); err != nil {
		return nil, err
	}
	if bits == nil {
		return nil, invalidf("Invalid Request Body")
	}
	off := []string{}
	for _, ch := range channels {
		if !slices.Contains(bits, ch.Group.ID) && !slices.Contains(off, ch.Group.Name) {
			off = append(off, ch.Group.Name)
		}
	}
	slices.Sort(off)
	if err := c.Identity.SetChannels(c, c.actor(), c.caller.User, device, off); err != nil {
		return nil, err
	}
	c.Core.Regroup(c.caller.User, device, in.ClientUID)
	return empty(http.StatusOK), nil
}

func forceChannels(c *call, in *userInput) (*reply, error) {
	u, known := c.Identity.User(in.Username)
	if !known {
		return nil, notFoundf("Not Found: there is no user %q", in.Username)
	}
	list, err := c.chosen()
	if err != nil {
		return nil, err
	}
	devices := []string{""} // those without a certificate of their own
	for _, cert := range c.Identity.Certificates(identity.CertificateFilter{User: u.Name}) {
		if !slices.Contains(devices, cert.ClientUID) && cert.Channels {
			devices = append(devices, cert.ClientUID)
		}
	}
	for _, d := range devices {
		if err := c.Identity.SetChannels(c, c.actor(), u.Name, d, inactive(c.Identity.Channels(u.Name, d), list)); err != nil {
			return nil, err
		}
	}
	c.Core.Regroup(u.Name, "", "")
	return empty(http.StatusOK), nil
}
