package takproto

// Field numbers of TakMessage and CotEvent (spec/tak-streaming.md 5).
const (
	msgCotEvent = 2

	evType       = 1
	evAccess     = 2
	evQos        = 3
	evOpex       = 4
	evUID        = 5
	evSendTime   = 6
	evStartTime  = 7
	evStaleTime  = 8
	evHow        = 9
	evLat        = 10
	evLon        = 11
	evHae        = 12
	evCE         = 13
	evLE         = 14
	evDetail     = 15
	evCaveat     = 16
	evReleasable = 17

	detailXML = 1
)

// kind is one of the elements that have a message of their own. Its field
// number in Detail is kind + detailTyped.
type kind int

const (
	contact kind = iota
	group
	precision
	status
	takv
	track
	kinds

	detailTyped = 2
)

// noKind is any other element.
const noKind kind = -1

// elements names, for each kind, the element and its attributes; attribute i
// is field i+1 of the message. An element becomes a message only when it has
// exactly these attributes, no content and no namesake in the same detail
// (both ends follow that: all of the element or nothing of it). A contact may
// lack its endpoint.
var elements = [kinds]struct {
	name  string
	attrs []string
}{
	contact:   {"contact", []string{"endpoint", "callsign"}},
	group:     {"__group", []string{"name", "role"}},
	precision: {"precisionlocation", []string{"geopointsrc", "altsrc"}},
	status:    {"status", []string{"battery"}},
	takv:      {"takv", []string{"device", "platform", "os", "version"}},
	track:     {"track", []string{"speed", "course"}},
}

const maxAttrs = 4

// The fields that need a name below.
const (
	contactEndpoint = 0
	contactCallsign = 1
	trackSpeed      = 0
	trackCourse     = 1
)

func kindOf(name string) kind {
	switch name {
	case "contact":
		return contact
	case "__group":
		return group
	case "precisionlocation":
		return precision
	case "status":
		return status
	case "takv":
		return takv
	case "track":
		return track
	}
	return noKind
}
