package identity

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
)

const counterGroup = "group"

// Groups gives all groups by id.
func (s *Service) Groups() []Group {
	st := s.state.Load()
	groups := make([]Group, 0, len(st.groups.m))
	for _, g := range st.groups.m {
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b Group) int { return cmp.Compare(a.ID, b.ID) })
	return groups
}

// Group gives the group of that name, in whatever case.
func (s *Service) Group(name string) (Group, bool) {
	g := s.state.Load().group(name)
	if g == nil {
		return Group{}, false
	}
	return *g, true
}

// AddGroup adds a group. Its id was never that of another.
func (s *Service) AddGroup(ctx context.Context, by Actor, name, description string) (Group, error) {
	var added Group
	err := s.change(ctx, by, func(d *draft) error {
		if err := d.checkGroup(name, description, nil); err != nil {
			return err
		}
		n := d.count(counterGroup, int64(hostapi.AnonGroup)+1)
		if n > math.MaxInt32 {
			return conflict("there are no more group ids")
		}
		added = Group{ID: hostapi.GroupID(n), Name: name, Description: description, Created: d.now}
		g := added
		d.putGroup(&g)
		d.note("group.add", name, description)
		return nil
	})
	return added, err
}

func (d *draft) checkGroup(name, description string, self *Group) error {
	if err := checkText("description", description); err != nil {
		return err
	}
	if self != nil && self.Name == name {
		return nil
	}
	if err := checkName("group", name); err != nil {
		return err
	}
	if other := d.group(name); other != nil && other != self {
		return conflict("group %s: there is one already", other.Name)
	}
	return nil
}

func (d *draft) putGroup(g *Group) {
	if was := d.groups.get(g.ID); was != nil {
		d.groupNames.del(fold(was.Name))
	}
	d.groups.set(g.ID, g)
	d.groupNames.set(fold(g.Name), g.ID)
	d.save(g.record())
	d.regrouped, d.change.Groups = true, true
}

// SetGroup lets change turn name and description of a group.
func (s *Service) SetGroup(ctx context.Context, by Actor, name string, change func(*Group) error) (Group, error) {
	var set Group
	err := s.change(ctx, by, func(d *draft) error {
		was := d.group(name)
		if was == nil {
			return notFound("group %s: there is no such group", name)
		}
		set = *was
		if err := change(&set); err != nil {
			return err
		}
		set.ID, set.Created = was.ID, was.Created
		if set == *was {
			return nil
		}
		if was.ID == hostapi.AnonGroup && set.Name != was.Name {
			return conflict("group %s: is always there under this name", was.Name)
		}
		if err := d.checkGroup(set.Name, set.Description, was); err != nil {
			return err
		}
		g := set
		d.putGroup(&g)
		var all []string
		if set.Name != was.Name {
			all = append(all, "name "+set.Name)
		}
		if set.Description != was.Description {
			all = append(all, "description "+set.Description)
		}
		d.note("group.set", was.Name, strings.Join(all, "; "))
		return nil
	})
	return set, err
}

// RemoveGroup removes a group; its members lose it. It is refused as long as it
// is the only group of a user or an event code: without groups they would be in
// __ANON__, and be seen by all who are there.
func (s *Service) RemoveGroup(ctx context.Context, by Actor, name string) error {
	return s.change(ctx, by, func(d *draft) error {
		g := d.group(name)
		switch {
		case g == nil:
			return notFound("group %s: there is no such group", name)
		case g.ID == hostapi.AnonGroup:
			return conflict("group %s: is always there", g.Name)
		}
		in := func(m member) bool { return m.Group == g.ID }
		var only []string
		for _, a := range sortedValues(d.old.users.m) {
			i := slices.IndexFunc(a.members, in)
			if i >= 0 && len(a.members) == 1 {
				only = append(only, a.Name)
			}
			if i < 0 && !a.chose(g.ID) {
				continue
			}
			a = a.clone()
			a.members = slices.DeleteFunc(slices.Clone(a.members), in)
			for uid, dev := range a.devices {
				if k := slices.Index(dev.inactive, g.ID); k >= 0 {
					dev.inactive = slices.Delete(slices.Clone(dev.inactive), k, k+1)
					d.putDevice(a, uid, dev)
				}
			}
			d.putAccount(a)
		}
		for _, e := range sortedValues(d.old.enrolments.m) {
			if i := slices.IndexFunc(e.members, in); i >= 0 {
				if len(e.members) == 1 {
					only = append(only, "event "+e.Event.Prefix)
				}
				c := *e
				c.members = slices.Delete(slices.Clone(e.members), i, i+1)
				d.putEnrolment(&c)
			}
		}
		if n := len(only); n > 0 {
			more := ""
			if n > 10 {
				only, more = only[:10], " …"
			}
			return conflict("group %s: is the only group of %d: %s%s; without it they would be in %s, so give them another group first, or remove them",
				g.Name, n, strings.Join(only, ", "), more, hostapi.AnonGroupName)
		}
		d.groups.del(g.ID)
		d.groupNames.del(fold(g.Name))
		d.drop(kindGroup, groupKey(g.ID))
		d.regrouped, d.change.Groups = true, true
		d.note("group.remove", g.Name, g.Description)
		return nil
	})
}
