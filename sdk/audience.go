package sdk

import "github.com/takhost/takhost/hostapi/wire"

// Audience says who shall get an event or a live update. It is made by one of the
// functions To…: there is no audience by default.
type Audience = *wire.Audience

// ToGroups is everybody who may see one of the groups.
func ToGroups(names ...string) Audience { return &wire.Audience{Groups: names} }

// ToSet is everybody who may see a group of a set that the plugin was given: of an
// event, a document or a caller.
func ToSet(set int32) Audience { return &wire.Audience{Set: set} }

// ToAll is all groups of the server's "all" set.
func ToAll() Audience { return &wire.Audience{All: true} }

// ToUIDs is clients by uid.
func ToUIDs(uids ...string) Audience { return &wire.Audience{UIDs: uids} }

// ToCallsigns is clients by callsign.
func ToCallsigns(callsigns ...string) Audience { return &wire.Audience{Callsigns: callsigns} }

// ToTopic is the members of a topic.
func ToTopic(name string) Audience { return &wire.Audience{Topic: name} }

// AsEvent is those who got, or may see, an event.
func AsEvent(e Event) Audience { return &wire.Audience{AsEvent: int64(e.ID())} }

// Within narrows an audience of names down to those who may see one of the groups
// of a set: of an event, a document or a caller.
func Within(set int32, names Audience) Audience {
	within := *names
	within.Set = set
	return &within
}

// Except leaves clients out of an audience, by uid: such as the sender of what is
// answered.
func Except(a Audience, uids ...string) Audience {
	but := *a
	but.Except = append(append([]string(nil), a.Except...), uids...)
	return &but
}
