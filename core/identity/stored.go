package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// The kinds of records that are ours. Others may keep theirs beside them.
const (
	kindUser        = "user"          // by folded name
	kindGroup       = "group"         // by number
	kindCounter     = "counter"       // by name
	kindCertificate = "certificate"   // by serial
	kindToken       = "token"         // by id
	kindSession     = "session"       // by id
	kindEnrolment   = "enrolment"     // by id
	kindUse         = "enrolment_use" // by id of the enrolment and hash of the client uid
	kindChannels    = "channels"      // by folded name and hash of the client uid
)

type userRecord struct {
	Name     string     `json:"name"`
	FullName string     `json:"full_name,omitempty"`
	Roles    []string   `json:"roles"`
	Groups   []member   `json:"groups,omitempty"`
	Disabled bool       `json:"disabled,omitempty"`
	Expires  *time.Time `json:"expires,omitempty"`
	UID      string     `json:"uid,omitempty"`
	Team     string     `json:"team,omitempty"`
	Device   string     `json:"device,omitempty"`
	Package  string     `json:"package,omitempty"`
	Hash     string     `json:"hash,omitempty"`
	Created  time.Time  `json:"created"`
	Changed  time.Time  `json:"changed"`
}

type groupRecord struct {
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Created     time.Time `json:"created"`
}

type certificateRecord struct {
	Fingerprint string     `json:"fingerprint"`
	User        string     `json:"user,omitempty"`
	ClientUID   string     `json:"client_uid,omitempty"`
	Subject     string     `json:"subject"`
	Issuer      string     `json:"issuer"`
	PEM         string     `json:"pem"`
	NotBefore   time.Time  `json:"not_before"`
	NotAfter    time.Time  `json:"not_after"`
	Issued      time.Time  `json:"issued"`
	Kind        string     `json:"kind"`
	Channels    bool       `json:"channels,omitempty"`
	Enrolment   string     `json:"enrolment,omitempty"`
	Replaced    *time.Time `json:"replaced,omitempty"`
	Revoked     *time.Time `json:"revoked,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	RevokedBy   string     `json:"revoked_by,omitempty"`
}

type tokenRecord struct {
	Hash    string     `json:"hash"`
	User    string     `json:"user"`
	Name    string     `json:"name,omitempty"`
	Weak    bool       `json:"weak,omitempty"`
	Created time.Time  `json:"created"`
	Used    int64      `json:"used,omitempty"` // µs
	Expires *time.Time `json:"expires,omitempty"`
}

type sessionRecord struct {
	Hash    string    `json:"hash,omitempty"`
	User    string    `json:"user"`
	Addr    string    `json:"addr,omitempty"`
	Bearer  bool      `json:"bearer,omitempty"`
	Created time.Time `json:"created"`
	Used    int64     `json:"used"` // µs
	Expires time.Time `json:"expires"`
}

type enrolmentRecord struct {
	Hash    string       `json:"hash"`
	User    string       `json:"user,omitempty"`
	Event   *eventRecord `json:"event,omitempty"`
	Uses    int          `json:"uses"`
	Expires time.Time    `json:"expires"`
	Created time.Time    `json:"created"`
	By      string       `json:"by,omitempty"`
	Note    string       `json:"note,omitempty"`
}

type eventRecord struct {
	Prefix string     `json:"prefix"`
	Groups []member   `json:"groups,omitempty"`
	Roles  []string   `json:"roles,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
}

type useRecord struct {
	Enrolment string    `json:"enrolment"`
	User      string    `json:"user"`
	ClientUID string    `json:"client_uid"`
	Serial    string    `json:"serial"`
	At        time.Time `json:"at"`
}

type channelsRecord struct {
	User      string            `json:"user"`
	ClientUID string            `json:"client_uid"`
	Inactive  []hostapi.GroupID `json:"inactive"`
	Changed   time.Time         `json:"changed"`
}

func record(kind, id string, body any) store.Record {
	b, err := json.Marshal(body)
	if err != nil { // none of the types above can fail
		panic(fmt.Sprintf("record of %s %s: %v", kind, id, err))
	}
	return store.Record{Kind: kind, ID: id, Body: b}
}

func (a *account) record() store.Record {
	return record(kindUser, a.key, userRecord{
		Name: a.Name, FullName: a.FullName, Roles: a.Roles, Groups: a.members, Disabled: a.Disabled, Expires: a.Expires,
		UID: a.UID, Team: a.Team, Device: a.Device, Package: a.Package, Hash: a.hash, Created: a.Created, Changed: a.Changed,
	})
}

func (g *Group) record() store.Record {
	return record(kindGroup, groupKey(g.ID), groupRecord{Name: g.Name, Description: g.Description, Created: g.Created})
}

func groupKey(id hostapi.GroupID) string { return strconv.Itoa(int(id)) }

func (c *Certificate) record() store.Record {
	return record(kindCertificate, c.Serial, certificateRecord{
		Fingerprint: c.Fingerprint, User: c.User, ClientUID: c.ClientUID, Subject: c.Subject, Issuer: c.Issuer, PEM: c.PEM,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Issued: c.Issued, Kind: c.Kind, Channels: c.Channels, Enrolment: c.Enrolment,
		Replaced: c.Replaced, Revoked: c.Revoked, Reason: c.Reason, RevokedBy: c.RevokedBy,
	})
}

func (t *token) record() store.Record {
	return record(kindToken, t.ID, tokenRecord{
		Hash: hex.EncodeToString(t.hash[:]), User: t.User, Name: t.Name, Weak: t.Weak, Created: t.Created, Used: t.used.Load(), Expires: t.Expires,
	})
}

func (s *session) record() store.Record {
	r := sessionRecord{User: s.User, Addr: s.Addr, Bearer: s.Bearer, Created: s.Created, Used: s.used.Load(), Expires: s.Expires}
	if s.hash != (digest{}) {
		r.Hash = hex.EncodeToString(s.hash[:])
	}
	return record(kindSession, s.ID, r)
}

func (e *enrolment) record() store.Record {
	r := enrolmentRecord{
		Hash: hex.EncodeToString(e.hash[:]), User: e.User, Uses: e.Uses, Expires: e.Expires, Created: e.Created, By: e.By, Note: e.Note,
	}
	if ev := e.Event; ev != nil {
		r.Event = &eventRecord{Prefix: ev.Prefix, Groups: e.members, Roles: ev.Roles, Until: ev.Until}
	}
	return record(kindEnrolment, e.ID, r)
}

func (u *EnrolmentUse) record(enrolment string) store.Record {
	return record(kindUse, enrolment+"/"+shortHash(u.ClientUID), useRecord{
		Enrolment: enrolment, User: u.User, ClientUID: u.ClientUID, Serial: u.Serial, At: u.At,
	})
}

func (d *device) record(a *account) store.Record {
	return record(kindChannels, a.key+"/"+shortHash(d.uid), channelsRecord{User: a.Name, ClientUID: d.uid, Inactive: d.inactive, Changed: d.changed})
}

// shortHash makes a part of a record's id from what a client names itself.
func shortHash(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:16])
}

func parseDigest(s string, sep string) (d digest, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, sep, ""))
	if err != nil || len(b) != len(d) {
		return d, fmt.Errorf("hash %.80q: is not a SHA-256", s)
	}
	return digest(b), nil
}

// micros gives a time as it comes out of the store again.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func usedAt(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func newUsed(us int64) (used, kept *atomic.Int64) {
	used, kept = new(atomic.Int64), new(atomic.Int64)
	used.Store(us)
	kept.Store(us)
	return used, kept
}
