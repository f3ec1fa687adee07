package cot

// Header is what one scan of an event finds. Strings are parts of the scanned
// text (only a value with entities, tabs or line breaks in it is a decoded
// copy). Times are microseconds since 1970 UTC, zero when the attribute is
// absent.
type Header struct {
	UID, Type, How     string
	Time, Start, Stale int64

	// Position in degrees WGS-84; hae, ce and le in metres. Senders write
	// 9999999 for an unknown hae, ce or le; an absent attribute reads as 0, as
	// in the official server.
	Lat, Lon, Hae, CE, LE float64

	Callsign, Endpoint string  // detail/contact
	Team, Role         string  // detail/__group name and role: the team colour, no routing group
	Speed, Course      float64 // detail/track: m/s and degrees

	Flags Flags

	// Offsets into the scanned text.
	TypeAt             int // first byte of the value of event/@type
	DetailAt, DetailTo int // content of <detail>; both 0 when there is none or it is empty

	dests     [2]Dest
	ndests    int
	moreDests []Dest
}

// Flags are facts of an event that routing and storage ask for.
type Flags uint16

const (
	HasPoint     Flags = 1 << iota // a <point> was there
	HasDetail                      // a <detail> was there
	NoArchive                      // <marti archive="false">
	HasEmergency                   // detail/emergency
	ForceDelete                    // detail/__forcedelete
	HasFlowTags                    // detail/_flow-tags_
)

// Has says whether all flags of f are set.
func (g Flags) Has(f Flags) bool { return g&f == f }

// DestKind says what a destination names.
type DestKind uint8

// The kinds, in the order in which the official server looks at the attributes
// of one <dest>: the first one present counts (spec/tak-streaming.md 10).
const (
	DestCallsign DestKind = iota + 1
	DestPublish
	DestUID
	DestMission
	DestMissionGUID
	DestGroup
)

// Dest is one <marti><dest> element. One that has none of the known attributes
// (FreeTAKServer writes such) is no destination and not listed.
type Dest struct {
	Kind  DestKind
	Value string
}

// NumDests counts the destinations.
func (h *Header) NumDests() int { return h.ndests }

// Dest gives destination i, 0 ≤ i < NumDests.
func (h *Header) Dest(i int) Dest {
	if i < len(h.dests) {
		return h.dests[i]
	}
	return h.moreDests[i-len(h.dests)]
}

func (h *Header) addDest(d Dest) {
	if h.ndests < len(h.dests) {
		h.dests[h.ndests] = d
	} else {
		h.moreDests = append(h.moreDests, d)
	}
	h.ndests++
}

// IsSA says whether the event is a presence report ("situational awareness"):
// uid, callsign and endpoint are all there (spec/tak-streaming.md 9).
func (h *Header) IsSA() bool { return h.UID != "" && h.Callsign != "" && h.Endpoint != "" }

// IsPosition says whether a newer event of the same uid makes this one
// worthless: the types of the atoms tree, a-….
func (h *Header) IsPosition() bool { return len(h.Type) > 2 && h.Type[0] == 'a' && h.Type[1] == '-' }
