package marti

import (
	"net/http"
	"slices"
	"strings"
)

// Contact is a client that is connected (3). Texts are never null: CloudTAK
// trims them.
type Contact struct {
	FilterGroups []string `json:"filterGroups" doc:"Always null"`
	Notes        string   `json:"notes" doc:"The user"`
	Callsign     string   `json:"callsign"`
	Team         string   `json:"team"`
	Role         string   `json:"role"`
	Takv         string   `json:"takv" doc:"Program and version, such as ATAK-CIV: 4.6"`
	UID          string   `json:"uid"`
}

// ContactLite is a Contact with its user.
type ContactLite struct {
	Contact
	Username string `json:"username"`
}

// ContactFull is all that is known of a client.
type ContactFull struct {
	FilterGroups []string `json:"filterGroups" doc:"Always null"`
	Notes        string   `json:"notes" doc:"The user"`
	Takv         string   `json:"takv" doc:"Program and version, such as ATAK-CIV: 4.6"`
	UID          string   `json:"uid"`
	Subscription
}

type contactsInput struct {
	Order
	NoFederates string `query:"noFederates" doc:"true: without clients of other servers"`
}

// Order is how lists of clients are sorted. It is exported for huma, which looks
// into exported structs alone.
type Order struct {
	SortBy    string `query:"sortBy" doc:"CALLSIGN, the default, or UID"`
	Direction string `query:"direction" doc:"ASCENDING, the default, or DESCENDING"`
}

func (a *api) contactOperations() {
	get := func(path, id, doc string) op {
		return op{
			method: http.MethodGet, path: path, id: id, tag: tagClients, on: onAll,
			summary: "Clients that are connected", doc: doc,
		}
	}
	o := get("/Marti/api/contacts/all", "contacts", "Those of the caller's groups that have told who they are, each once. A bare list, without an envelope.")
	o.answers = ok[[]Contact](a, "The clients")
	add(a, o, func(c *call, in *contactsInput) (*reply, error) {
		list, err := sorted(c.contacts(), in.Order)
		if err != nil {
			return nil, err
		}
		return bare(each(list, contactOf))
	})
	o = get("/Marti/api/contacts/all/lite", "contacts-lite", "With their users.")
	o.answers = ok[[]ContactLite](a, "The clients")
	add(a, o, func(c *call, in *contactsInput) (*reply, error) {
		list, err := sorted(c.contacts(), in.Order)
		if err != nil {
			return nil, err
		}
		return bare(each(list, func(cl *Client) ContactLite { return ContactLite{contactOf(cl), cl.User} }))
	})
	o = get("/Marti/api/contacts/all/full", "contacts-full", "With all that is known of their connections.")
	o.answers = ok[[]ContactFull](a, "The clients")
	add(a, o, func(c *call, in *contactsInput) (*reply, error) {
		list, err := sorted(c.contacts(), in.Order)
		if err != nil {
			return nil, err
		}
		groups := c.groupsByID()
		return bare(each(list, func(cl *Client) ContactFull {
			lite := contactOf(cl)
			return ContactFull{Notes: lite.Notes, Takv: lite.Takv, UID: lite.UID, Subscription: c.subscription(cl, groups)}
		}))
	})
}

func contactOf(cl *Client) Contact {
	takv := cl.Platform
	if cl.Version != "" {
		takv += ": " + cl.Version
	}
	return Contact{Notes: cl.User, Callsign: cl.Callsign, Team: cl.Team, Role: cl.Role, Takv: takv, UID: cl.UID}
}

// each makes the items of an answer; never nil, as lists must not be null.
func each[T any](list []Client, of func(*Client) T) []T {
	out := make([]T, len(list))
	for i := range list {
		out[i] = of(&list[i])
	}
	return out
}

// sorted puts clients in the order that a request asks for.
func sorted(list []Client, o Order) ([]Client, error) {
	key := func(c *Client) string { return c.Callsign }
	switch o.SortBy {
	case "", "CALLSIGN":
	case "UID":
		key = func(c *Client) string { return c.UID }
	default:
		return nil, invalidf("Invalid Request: sortBy is CALLSIGN or UID")
	}
	sign := 1
	switch o.Direction {
	case "", "ASCENDING":
	case "DESCENDING":
		sign = -1
	default:
		return nil, invalidf("Invalid Request: direction is ASCENDING or DESCENDING")
	}
	slices.SortStableFunc(list, func(a, b Client) int {
		if n := strings.Compare(key(&a), key(&b)); n != 0 {
			return sign * n
		}
		return strings.Compare(a.UID, b.UID)
	})
	return list, nil
}
