// Command redact is a filter: what it decides about an event holds for everybody, before
// it is routed, archived, or seen by other plugins. Positions inside a box are replaced by
// the centre of a coarse grid's cell, or dropped.
//
// It fails closed: while it cannot run, no event passes.
package main

import (
	"math"

	"github.com/takhost/takhost/sdk"
)

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }

func newPlugin() *sdk.Plugin {
	r := &redact{}
	return &sdk.Plugin{Name: "redact", Version: "1.0.0", Init: r.start, Filter: r.filter}
}

// redact is one instance. There are several, each for one event at a time.
type redact struct {
	south, west, north, east float64 // degrees
	drop                     bool
	cell                     float64 // degrees
}

func (r *redact) start(c *sdk.Call, _ *sdk.Start) error {
	config := c.Config()
	box := config.Object("box")
	r.south, r.west, r.north, r.east = box.Float("south"), box.Float("west"), box.Float("north"), box.Float("east")
	r.drop, r.cell = config.Text("mode") == "drop", config.Float("cell")
	if err := config.Err(); err != nil {
		return err
	}
	if r.south > r.north {
		return sdk.Invalidf("box: its south %v is north of its north %v", r.south, r.north)
	}
	return nil
}

func (r *redact) filter(_ *sdk.Call, e sdk.Event) (sdk.Verdict, error) {
	if !r.holds(e.Lat(), e.Lon()) {
		return sdk.Pass(), nil
	}
	if r.drop {
		return sdk.Drop("inside the box"), nil
	}
	// The corners of drawings and routes cannot be made coarse without spoiling them.
	if drawn(e) {
		return sdk.Drop("drawn inside the box"), nil
	}
	lat, lon := r.centre(e.Lat(), 90), r.centre(e.Lon(), 180)
	xml, err := sdk.EditEvent(e.XML()).
		SetFloat("point", "lat", lat).
		SetFloat("point", "lon", lon).
		SetFloat("point", "hae", sdk.Unknown).
		SetFloat("point", "ce", r.error(lat)). // so that maps show how little is known
		SetFloat("point", "le", sdk.Unknown).
		Remove("detail/track"). // speed and course lead from cell to cell
		Remove("detail/precisionlocation").
		String()
	if err != nil {
		// An error would count as a failure of the filter, of which three close it for
		// everybody. This concerns the one event.
		return sdk.Drop("cannot be edited"), nil
	}
	return sdk.Replace(xml, "inside the box"), nil
}

func (r *redact) holds(lat, lon float64) bool {
	if lat < r.south || lat > r.north {
		return false
	}
	if r.west > r.east {
		return lon >= r.west || lon <= r.east
	}
	return lon >= r.west && lon <= r.east
}

// centre gives the middle of the cell that a latitude or longitude is in, most being the
// largest there is. Rounding rids it of digits that mean nothing.
func (r *redact) centre(degrees, most float64) float64 {
	const places = 1e6
	middle := (math.Floor(degrees/r.cell) + 0.5) * r.cell
	return math.Round(min(max(middle, -most), most)*places) / places
}

// error is how far from the centre the sender may be, in metres: half the diagonal of the
// cell, which is widest where it is nearest to the equator.
func (r *redact) error(lat float64) float64 {
	const degree = 111_195
	widest := max(0, math.Abs(lat)-r.cell/2)
	return math.Ceil(r.cell / 2 * degree * math.Hypot(1, math.Cos(widest*math.Pi/180)))
}

// drawn says whether an event has places in its detail: a shape, or the points of a route.
func drawn(e sdk.Event) bool {
	root := e.Detail().Root()
	if root.Child("shape").Exists() {
		return true
	}
	for link := range root.Children() {
		if _, ok := link.Attr("point"); ok && link.Name() == "link" {
			return true
		}
	}
	return false
}
