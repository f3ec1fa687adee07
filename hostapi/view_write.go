package hostapi

import (
	"slices"
	"strings"
)

// DetailWant says how much of an event a view shall hold beyond its header.
type DetailWant struct {
	All   bool     // all elements of the detail
	Names []string // or those of these names: children of <detail>
	XML   bool     // also the event as it was sent
}

// WantDetail reads the "detail" of a subscription: names of elements, or * for
// all of them.
func WantDetail(names []string) DetailWant {
	if slices.Contains(names, "*") {
		return DetailWant{All: true}
	}
	return DetailWant{Names: names}
}

// Union gives what serves both.
func (w DetailWant) Union(o DetailWant) DetailWant {
	u := DetailWant{All: w.All || o.All, XML: w.XML || o.XML}
	if !u.All {
		u.Names = slices.Clone(w.Names)
		for _, n := range o.Names {
			if !slices.Contains(u.Names, n) {
				u.Names = append(u.Names, n)
			}
		}
	}
	return u
}

// AppendView appends the view of e. Where a detail is wanted it allocates; a
// ViewWriter does not.
func AppendView(dst []byte, e *Event, want DetailWant) []byte {
	return new(ViewWriter).Append(dst, e, want)
}

// ViewWriter makes views, one after the other, and keeps its tables between
// them. It serves one goroutine. The zero ViewWriter is ready. It holds on to
// the last event that had a detail.
type ViewWriter struct{ tree treeWriter }

// Append appends the view of e. A place in a batch begins at a multiple of 8,
// which is the caller's affair. A detail that cannot be read, which is none that
// Scan accepted, is left out.
func (w *ViewWriter) Append(dst []byte, e *Event, want DetailWant) []byte {
	start := len(dst)
	dst = extend(dst, viewHeader)
	// All fields are written with the slice at hand, so that its bounds are
	// known; the texts follow and may move it.
	h := dst[start : start+viewHeader]
	put16(h[4:], viewVersion)
	put16(h[6:], viewHeader)
	put64(h[atID:], uint64(e.ID))
	put64(h[atRecv:], uint64(e.Recv))
	put64(h[atTime:], uint64(e.Time))
	put64(h[atStart:], uint64(e.Start))
	put64(h[atStale:], uint64(e.Stale))
	putFloat(h[atLat:], e.Lat)
	putFloat(h[atLon:], e.Lon)
	putFloat(h[atHae:], e.Hae)
	putFloat(h[atCE:], e.CE)
	putFloat(h[atLE:], e.LE)
	putFloat(h[atSpeed:], e.Speed)
	putFloat(h[atCourse:], e.Course)
	put64(h[atConn:], e.Conn)
	put32(h[atGroups:], uint32(e.Groups))
	put32(h[atFlags:], uint32(e.Flags))
	put16(h[atNode:], uint16(e.ID.Node()))
	h[atOrigin], h[atHops] = byte(e.Origin), e.Hops

	at := uint32(viewHeader)
	for i, s := range [...]string{e.UID, e.Type, e.How, e.Callsign, e.Endpoint, e.Team, e.Role, e.User, e.Client} {
		put32(h[atUID+8*i:], at)
		put32(h[atUID+8*i+4:], uint32(len(s)))
		at += uint32(len(s))
	}
	dst = append(append(append(dst, e.UID...), e.Type...), e.How...)
	dst = append(append(append(append(dst, e.Callsign...), e.Endpoint...), e.Team...), e.Role...)
	dst = append(append(dst, e.User...), e.Client...)

	if want.XML {
		pair(dst[start:], atXML, len(dst)-start, len(e.XML))
		dst = append(dst, e.XML...)
	}
	if n := e.NumDests(); n > 0 {
		dst = appendDests(dst, start, e, n)
	}
	if 0 <= e.DetailAt && e.DetailAt < e.DetailTo && e.DetailTo <= len(e.XML) && want.someOf(e) {
		dst = align(dst, start)
		from := len(dst)
		if dst = w.tree.appendDetail(dst, e, want); len(dst) > from {
			pair(dst[start:], atDetail, from-start, len(dst)-from)
		}
	}
	dst = align(dst, start)
	put32(dst[start:], uint32(len(dst)-start))
	return dst
}

// someOf says, quicker than a parser, whether any element asked for can be in
// the detail.
func (w *DetailWant) someOf(e *Event) bool {
	if w.All {
		return true
	}
	detail := e.XML[e.DetailAt:e.DetailTo]
	for _, name := range w.Names {
		for s := detail; ; {
			i := strings.Index(s, name)
			if i < 0 {
				break
			}
			if i > 0 && s[i-1] == '<' {
				return true
			}
			s = s[i+1:]
		}
	}
	return false
}

func appendDests(dst []byte, start int, e *Event, n int) []byte {
	dst = align(dst, start)
	table := len(dst)
	pair(dst[start:], atDests, table-start, n)
	dst = extend(dst, n*viewDest)
	for i := range n {
		d := e.Dest(i)
		dst[table+i*viewDest] = byte(d.Kind)
		pair(dst, table+i*viewDest+4, len(dst)-start, len(d.Value))
		dst = append(dst, d.Value...)
	}
	return dst
}

// pair writes an offset and a length.
func pair(b []byte, at, off, n int) {
	put32(b[at:], uint32(off))
	put32(b[at+4:], uint32(n))
}

// align appends zero bytes up to a multiple of 8 from start.
func align(b []byte, start int) []byte {
	return extend(b, -(len(b)-start)&7)
}
