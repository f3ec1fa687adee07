package wire

import "errors"

// ErrAudience says that an audience names nobody, or contradicts itself.
var ErrAudience = errors.New("audience must have one of groups, all and set, or names (uids, callsigns, topic), or both, or as_event alone")

// Check says whether the audience is one: see the message. A nil audience is none.
func (a *Audience) Check() error {
	if a == nil {
		return ErrAudience
	}
	scopes := 0
	for _, there := range [...]bool{len(a.Groups) > 0, a.All, a.Set != 0} {
		if there {
			scopes++
		}
	}
	switch {
	case scopes > 1,
		scopes == 0 && !a.Named() && a.AsEvent == 0,
		a.AsEvent != 0 && (scopes > 0 || a.Named()):
		return ErrAudience
	}
	return nil
}

// Named says whether the audience names receivers.
func (a *Audience) Named() bool { return len(a.UIDs)+len(a.Callsigns) > 0 || a.Topic != "" }
