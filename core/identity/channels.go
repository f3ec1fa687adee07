package identity

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/takhost/takhost/hostapi"
)

// maxDevices is of how many devices of a user the channels are kept; the choice
// that was not changed for the longest time goes.
const maxDevices = 32

// chose says whether a device of the user has made the group inactive.
func (a *account) chose(id hostapi.GroupID) bool {
	for _, dev := range a.devices {
		if slices.Contains(dev.inactive, id) {
			return true
		}
	}
	return false
}

func (d *draft) putDevice(a *account, uid string, dev *device) {
	a.devices[uid] = dev
	d.save(dev.record(a))
}

// Channels gives the groups of a user in both directions, by name, with what
// this device of his has chosen. A group that was never chosen is active. It is
// empty for somebody unknown.
func (s *Service) Channels(user, device string) []Channel {
	st := s.state.Load()
	a := st.user(user)
	if a == nil {
		return nil
	}
	var inactive []hostapi.GroupID
	if dev := a.devices[device]; dev != nil {
		inactive = dev.inactive
	}
	var all []Channel
	for _, m := range a.memberOf() {
		c := Channel{Group: *st.groups.get(m.Group), Active: !slices.Contains(inactive, m.Group)}
		if m.In && !a.is(RoleReadonly) {
			c.Direction = DirectionIn
			all = append(all, c)
		}
		if m.Out {
			c.Direction = DirectionOut
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Channel) int {
		return cmp.Or(cmp.Compare(a.Group.Name, b.Group.Name), cmp.Compare(a.Direction, b.Direction))
	})
	return all
}

// SetChannels says which groups are inactive on a device, in both directions;
// all others are active. Names of groups that the user is not in, or that are no
// more, are passed over: nothing comes from them in any case, and a device may
// not have heard of the change yet.
func (s *Service) SetChannels(ctx context.Context, by Actor, user, uid string, inactive []string) error {
	if err := checkDevice(uid); err != nil {
		return err
	}
	return s.change(ctx, by, func(d *draft) error {
		was := d.user(user)
		if was == nil {
			return notFound("user %s: there is no such user", user)
		}
		ids := []hostapi.GroupID{}
		for _, name := range inactive {
			g := d.group(name)
			if g != nil && slices.ContainsFunc(was.memberOf(), func(m member) bool { return m.Group == g.ID }) {
				ids = append(ids, g.ID)
			}
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		if dev := was.devices[uid]; dev != nil && slices.Equal(dev.inactive, ids) || dev == nil && len(ids) == 0 {
			return nil
		}
		a := was.clone()
		if len(a.devices) >= maxDevices && a.devices[uid] == nil {
			oldest := slices.MinFunc(sortedValues(a.devices), func(x, y *device) int { return x.changed.Compare(y.changed) })
			delete(a.devices, oldest.uid)
			d.forget(oldest.record(a))
		}
		d.putDevice(a, uid, &device{uid: uid, inactive: ids, changed: d.now})
		d.users.set(a.key, a)
		d.touched = append(d.touched, a)
		d.tell(a.Name)
		d.change.Device = uid
		return nil
	})
}

// SetsOf gives the groups that a user may send to and that he sees, as sets.
// With channels, those are left out that are inactive on the device. Nobody, the
// empty name, is in __ANON__. The error has the code not_found, or forbidden when
// the user may not come in at present.
func (s *Service) SetsOf(user, device string, channels bool) (in, out hostapi.SetID, err error) {
	if user == "" {
		return hostapi.AnonSet, hostapi.AnonSet, nil
	}
	a, err := s.state.Load().known(user, s.opt.Now())
	if err != nil {
		return 0, 0, fmt.Errorf("groups: %w", err)
	}
	in, out = a.sets(device, channels)
	return in, out, nil
}

func (a *account) sets(device string, channels bool) (in, out hostapi.SetID) {
	if channels {
		if dev := a.devices[device]; dev != nil {
			return dev.in, dev.out
		}
	}
	return a.in, a.out
}
