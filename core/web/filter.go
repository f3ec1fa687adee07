package web

import (
	"fmt"

	"github.com/takhost/takhost/hostapi/cot"
)

// maxTypes is how many patterns of types one filter may have.
const maxTypes = 64

// Filter chooses events by what their header says. The zero Filter lets all
// pass.
type Filter struct {
	uid   string
	types cot.TypeSet
	box   *cot.Box
}

// NewFilter makes a filter. Empty arguments ask for nothing. types have * for
// any text, and one of them is enough; box is south,west,north,east in degrees
// and leaves out events without a point.
func NewFilter(uid string, types []string, area string) (f Filter, err error) {
	f.uid = uid
	if len(types) > maxTypes {
		return Filter{}, fmt.Errorf("type: %d types are too many: at most %d", len(types), maxTypes)
	}
	if f.types, err = cot.ParseTypeSet(types); err != nil {
		return Filter{}, fmt.Errorf("type: %w", err)
	}
	if area == "" {
		return f, nil
	}
	b, err := cot.ParseBox(area)
	if err != nil {
		return Filter{}, fmt.Errorf("box: %w", err)
	}
	f.box = &b
	return f, nil
}

// Pass says whether the event is one of those asked for.
func (f *Filter) Pass(h *cot.Header) bool {
	if f.uid != "" && h.UID != f.uid {
		return false
	}
	if f.box != nil && !(h.Flags.Has(cot.HasPoint) && f.box.Holds(h.Lat, h.Lon)) {
		return false
	}
	return f.types.Empty() || f.types.Match(h.Type)
}
