package hostapi

import (
	"math"

	"github.com/takhost/takhost/hostapi/cot"
)

// View is one event as plugins get it: "event view 1". It is read in place.
// Layout, numbers little-endian, offsets in bytes from the view's first byte:
//
//	 at  size
//	  0  u32     size of the view in bytes, these included; a multiple of 8
//	  4  u16     version: 1
//	  6  u16     length of the header, 224 in this version
//	  8  i64     id, see ID
//	 16  i64     recv: when the event was complete, by the host's clock
//	 24  i64 ×3  time, start, stale: the sender's, never changed
//	 48  f64 ×5  lat, lon in degrees, hae, ce, le in metres; 9999999 is "not known"
//	 88  f64 ×2  speed in m/s, course in degrees
//	104  u64     number of the connection, 0 for none
//	112  i32     set id of the sender's groups
//	116  u32     flags: cot.Flags
//	120  u16     node where the event entered
//	122  u8      Origin
//	123  u8      hops: times it passed through a plugin or federate
//	124  u32     which subscriptions of the manifest chose it: bit i is number i
//	128  u32 ×2  uid
//	136  u32 ×2  type
//	144  u32 ×2  how
//	152  u32 ×2  callsign
//	160  u32 ×2  endpoint
//	168  u32 ×2  team
//	176  u32 ×2  role
//	184  u32 ×2  user, empty for an anonymous sender
//	192  u32 ×2  client: uid of the sender's connection
//	200  u32 ×2  destinations: offset and number
//	208  u32 ×2  detail: a Tree; empty when none was asked for, or there is none
//	216  u32 ×2  the event's XML; empty when not asked for
//	             the bytes that these pairs of offset and length mean
//
// Times are microseconds since 1970 UTC. A destination has 12 bytes: u8 kind
// (cot.DestKind), 3 bytes zero, offset and length of its value. Destinations and
// tree begin at multiples of 8.
//
// A later minor version may add fields behind 224 and raise the header's length;
// a reader takes a field beyond the header it is given as zero or empty.
//
// Methods accept any bytes and never panic. Texts are parts of the view's memory,
// without a copy. In a plugin that is the input of the call: whoever keeps a text
// beyond the call must copy it (strings.Clone).
type View []byte

// Places of the fields of version 1.
const (
	viewVersion = 1
	viewHeader  = 224
	viewDest    = 12

	atID      = 8
	atRecv    = 16
	atTime    = 24
	atStart   = 32
	atStale   = 40
	atLat     = 48
	atLon     = 56
	atHae     = 64
	atCE      = 72
	atLE      = 80
	atSpeed   = 88
	atCourse  = 96
	atConn    = 104
	atGroups  = 112
	atFlags   = 116
	atNode    = 120
	atOrigin  = 122
	atHops    = 123
	atMatched = 124

	atUID      = 128
	atType     = 136
	atHow      = 144
	atCallsign = 152
	atEndpoint = 160
	atTeam     = 168
	atRole     = 176
	atUser     = 184
	atClient   = 192
	atDests    = 200
	atDetail   = 208
	atXML      = 216
)

// FirstView cuts the view that b begins with off the rest. It is not ok when
// there is none of a version that this code can read.
func FirstView(b []byte) (v View, rest []byte, ok bool) {
	if len(b) < 8 {
		return nil, nil, false
	}
	s := text(b)
	size, head := uint64(le32(s, 0)), uint64(le16(s, 6))
	if le16(s, 4) != viewVersion || size > uint64(len(b)) || head < 8 || head > size {
		return nil, nil, false
	}
	return View(b[:size:size]), b[size:], true
}

// in gives the view as a text if its header has n bytes at a place, and else
// an empty one.
func (v View) in(at, n int) string {
	s := text(v)
	if len(s) < 8 || at+n > int(le16(s, 6)) || at+n > len(s) {
		return ""
	}
	return s
}

func (v View) u64(at int) uint64 {
	if s := v.in(at, 8); s != "" {
		return le64(s, at)
	}
	return 0
}

func (v View) u32(at int) uint32 {
	if s := v.in(at, 4); s != "" {
		return le32(s, at)
	}
	return 0
}

func (v View) u8(at int) uint8 {
	if s := v.in(at, 1); s != "" {
		return s[at]
	}
	return 0
}

func (v View) float(at int) float64 { return math.Float64frombits(v.u64(at)) }

func (v View) part(at int) string {
	if s := v.in(at, 8); s != "" {
		return part(s, at)
	}
	return ""
}

// ID names the event.
func (v View) ID() ID { return ID(v.u64(atID)) }

// Recv is when the event was complete, by the host's clock: µs since 1970 UTC.
func (v View) Recv() int64 { return int64(v.u64(atRecv)) }

// Time, Start and Stale are the sender's: µs since 1970 UTC, 0 for none.
func (v View) Time() int64 { return int64(v.u64(atTime)) }

// Start: see Time.
func (v View) Start() int64 { return int64(v.u64(atStart)) }

// Stale: see Time.
func (v View) Stale() int64 { return int64(v.u64(atStale)) }

// Lat is in degrees WGS-84. Whether the event had a point at all, Flags tells.
func (v View) Lat() float64 { return v.float(atLat) }

// Lon is in degrees WGS-84.
func (v View) Lon() float64 { return v.float(atLon) }

// Hae is the height above the ellipsoid in metres; cot.Unknown is "not known".
func (v View) Hae() float64 { return v.float(atHae) }

// CE is the circular error in metres.
func (v View) CE() float64 { return v.float(atCE) }

// LE is the linear error in metres.
func (v View) LE() float64 { return v.float(atLE) }

// Speed is in m/s.
func (v View) Speed() float64 { return v.float(atSpeed) }

// Course is in degrees.
func (v View) Course() float64 { return v.float(atCourse) }

// Conn is the number of the connection the event came by, 0 for none.
func (v View) Conn() uint64 { return v.u64(atConn) }

// Groups is the set of the sender's IN groups.
func (v View) Groups() SetID { return SetID(v.u32(atGroups)) }

// Flags tells what the event has.
func (v View) Flags() cot.Flags { return cot.Flags(v.u32(atFlags)) }

// Node is the number of the node where the event entered.
func (v View) Node() int {
	if s := v.in(atNode, 2); s != "" {
		return int(le16(s, atNode))
	}
	return 0
}

// Origin says where the event entered.
func (v View) Origin() Origin { return Origin(v.u8(atOrigin)) }

// Hops counts the plugins and federates that the event passed through.
func (v View) Hops() int { return int(v.u8(atHops)) }

// Matched says whether subscription i of the manifest, of the first 32, chose
// the event.
func (v View) Matched(i int) bool { return i >= 0 && i < 32 && v.u32(atMatched)>>i&1 != 0 }

// SetMatched writes which subscriptions chose the event, bit i for number i. It
// is for the host, before it hands the view out.
func (v View) SetMatched(bits uint32) {
	if v.in(atMatched, 4) != "" {
		put32(v[atMatched:], bits)
	}
}

// UID is the event's uid.
func (v View) UID() string { return v.part(atUID) }

// Type is the event's CoT type.
func (v View) Type() string { return v.part(atType) }

// How is how the position was found: m-g.
func (v View) How() string { return v.part(atHow) }

// Callsign is that of detail/contact.
func (v View) Callsign() string { return v.part(atCallsign) }

// Endpoint is that of detail/contact.
func (v View) Endpoint() string { return v.part(atEndpoint) }

// Team is the colour in detail/__group, no routing group.
func (v View) Team() string { return v.part(atTeam) }

// Role is that of detail/__group.
func (v View) Role() string { return v.part(atRole) }

// User is the sender's user name, empty for an anonymous one.
func (v View) User() string { return v.part(atUser) }

// Client is the client uid of the sender's connection.
func (v View) Client() string { return v.part(atClient) }

// XML is the event as it was sent, if the subscription asked for it.
func (v View) XML() string { return v.part(atXML) }

// Detail is the tree of the elements asked for. Where there are none, it has no
// nodes, and Root().Child(…) gives no node.
func (v View) Detail() Tree {
	if v.in(atDetail, 8) == "" {
		return nil
	}
	off, n := uint64(v.u32(atDetail)), uint64(v.u32(atDetail+4))
	if n == 0 || off+n > uint64(len(v)) {
		return nil
	}
	return Tree(v[off : off+n : off+n])
}

// NumDests counts the destinations.
func (v View) NumDests() int {
	s := v.in(atDests, 8)
	if s == "" {
		return 0
	}
	off, n := uint64(le32(s, atDests)), uint64(le32(s, atDests+4))
	if n > cot.MaxDests || off+n*viewDest > uint64(len(s)) {
		return 0
	}
	return int(n)
}

// Dest gives destination i, 0 ≤ i < NumDests.
func (v View) Dest(i int) cot.Dest {
	if i < 0 || i >= v.NumDests() {
		return cot.Dest{}
	}
	s := text(v)
	at := int(le32(s, atDests)) + i*viewDest
	return cot.Dest{Kind: cot.DestKind(s[at]), Value: part(s, at+4)}
}
