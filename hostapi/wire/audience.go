package wire

import "errors"

// ErrAudience says that an audience names nobody, or in more than one way.
var ErrAudience = errors.New("audience must name exactly one of groups, all, uids, callsigns, topic, as_event, set")

// Check says whether exactly one of the fields is set. A nil audience has none.
func (a *Audience) Check() error {
	if a == nil {
		return ErrAudience
	}
	n := 0
	for _, set := range [...]bool{len(a.Groups) > 0, a.All, len(a.UIDs) > 0, len(a.Callsigns) > 0, a.Topic != "", a.AsEvent != 0, a.Set != 0} {
		if set {
			n++
		}
	}
	if n != 1 {
		return ErrAudience
	}
	return nil
}
