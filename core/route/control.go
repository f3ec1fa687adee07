package route

import (
	"log/slog"
	"strconv"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// control acts on messages that are for the server alone
// (spec/tak-streaming.md 7) and says whether e was one: those are never
// relayed and never archived. Pings and the protocol negotiation are answered
// where the bytes come in; here they are only kept from others.
func (s *Session) control(e *hostapi.Event) bool {
	if !strings.HasPrefix(e.Type, "t-") {
		return false
	}
	switch e.Type {
	case "t-x-c-f":
		s.setFilter(e)
	case "t-x-c-m":
		s.setStats(e)
	case "t-x-c-i-e":
		s.incognito.Store(true)
	case "t-x-c-i-d":
		s.incognito.Store(false)
	case "t-x-c-t", "t-x-c-t-r", "t-x-takp-v", "t-x-takp-q", "t-x-takp-r",
		"t-b", "t-b-a", "t-b-c", "t-b-q":
	default:
		return false
	}
	return true
}

// setFilter reads the box filter of a t-x-c-f; no box in it clears the filter.
func (s *Session) setFilter(e *hostapi.Event) {
	tree, err := cot.ParseDetail(e.XML, &e.Header)
	if err != nil {
		s.r.opt.Log.Warn("filter request without readable detail", slog.String("addr", s.who.Addr), slog.Any("err", err))
		return
	}
	f := &boxFilter{}
	if sub, ok := tree.Root().Child("subscription"); ok {
		if geo, ok := sub.Child("geospatialFilter"); ok {
			all, _ := geo.Attr("filterTAKClients")
			f.clientsToo = all == "true"
			for n := range geo.Children() {
				if n.Name() != "boundingBox" {
					continue
				}
				b, ok := readBox(n)
				if !ok {
					s.r.opt.Log.Warn("filter request with an unreadable box is ignored", slog.String("addr", s.who.Addr))
					return
				}
				f.boxes = append(f.boxes, b)
			}
		}
	}
	if len(f.boxes) == 0 {
		s.filter.Store(nil)
		return
	}
	s.filter.Store(f)
}

// setStats keeps what a client tells of itself (t-x-c-m): battery, memory,
// traffic. It is shown in the list of clients.
func (s *Session) setStats(e *hostapi.Event) {
	tree, err := cot.ParseDetail(e.XML, &e.Header)
	if err != nil {
		return // the scan accepted it, so this cannot be; nothing depends on it
	}
	if n, ok := tree.Root().Child("stats"); ok {
		stats := map[string]string{}
		for name, value := range n.Attrs {
			stats[name] = value
		}
		s.stats.Store(&stats)
	}
}

func readBox(n cot.Node) (b cot.Box, ok bool) {
	for _, f := range []struct {
		to   *float64
		name string
	}{{&b.South, "minLatitude"}, {&b.West, "minLongitude"}, {&b.North, "maxLatitude"}, {&b.East, "maxLongitude"}} {
		v, _ := n.Attr(f.name)
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return b, false
		}
		*f.to = x
	}
	return b, b.Valid()
}

// boxFilter leaves out broadcasts from outside its boxes. Positions of other
// EUDs pass unless clientsToo; events without a point and deletions always do.
type boxFilter struct {
	boxes      []cot.Box
	clientsToo bool
}

func (f *boxFilter) pass(evs []*hostapi.Event) []*hostapi.Event {
	out := make([]*hostapi.Event, 0, len(evs))
	for _, e := range evs {
		if f.passes(e) {
			out = append(out, e)
		}
	}
	return out
}

func (f *boxFilter) passes(e *hostapi.Event) bool {
	if !e.Flags.Has(cot.HasPoint) || strings.HasPrefix(e.Type, "t-") || (!f.clientsToo && e.IsSA()) {
		return true
	}
	for _, b := range f.boxes {
		if b.Holds(e.Lat, e.Lon) {
			return true
		}
	}
	return false
}
