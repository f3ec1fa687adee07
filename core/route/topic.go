package route

import (
	"slices"
)

// AnyUID stands in a Member for the connections of a user that never report a
// position: machines such as CloudTAK's, which have no client uid of their own
// (spec/client-quirks.md).
const AnyUID = "*"

// Member is one member of a topic: a client of a user. Publish says whether it
// may send to the topic; every member receives from it.
type Member struct {
	User    string
	UID     string // client uid, or AnyUID
	Publish bool
}

// Topic is a named set of members, such as the subscribers of one mission.
// What is sent to it reaches its members as far as their groups allow, and
// nobody else.
type Topic struct {
	ID      string // unique; for a mission its guid
	Members []Member
}

// SetTopic puts a topic in force, in place of one of the same ID. When it
// returns, every event that is published later is routed by it.
func (r *Router) SetTopic(t Topic) {
	t.Members = slices.Clone(t.Members)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics[t.ID] = &t
}

// DropTopic removes a topic. Aliases that name it stay and lead nowhere.
func (r *Router) DropTopic(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.topics, id)
}

// SetAlias makes name stand for the topics with these ids, in place of what it
// stood for before; no ids remove it. Missions of different groups may share a
// name, so one name can stand for several topics.
func (r *Router) SetAlias(name string, ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(ids) == 0 {
		delete(r.aliases, name)
		return
	}
	r.aliases[name] = slices.Clone(ids)
}

// topicTargets appends the connected members of topic id, if s may publish
// there, and says whether it may.
func (r *Router) topicTargets(to []*Session, s *Session, id string) ([]*Session, bool) {
	t := r.topics[id]
	if t == nil || !slices.ContainsFunc(t.Members, func(m Member) bool { return m.Publish && s.is(m) }) {
		return to, false
	}
	return r.members(to, t), true
}

// members appends the connected members of t.
func (r *Router) members(to []*Session, t *Topic) []*Session {
	for _, m := range t.Members {
		if m.UID == AnyUID {
			for _, q := range r.byUser[m.User] {
				if q.client == nil {
					to = append(to, q)
				}
			}
			continue
		}
		for _, c := range r.byUID[m.UID] {
			if c.user == m.User {
				to = append(to, c.newest())
			}
		}
	}
	return to
}

// is says whether s is the client that m names.
func (s *Session) is(m Member) bool {
	if s.who.User != m.User {
		return false
	}
	if s.client == nil {
		return m.UID == AnyUID
	}
	return s.client.uid == m.UID
}

// Aliases and topics that a destination of kind mission or mission-guid means.
func (r *Router) topicIDs(name string, isGUID bool) []string {
	if isGUID {
		return []string{name}
	}
	return r.aliases[name]
}
