package identity

import (
	"math/big"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// Actor is who does something, for the audit.
type Actor struct {
	User string // empty: nobody logged in
	Addr string
	Via  string // admin, web, rest, enrol, setup, cli …
}

// The roles.
const (
	RoleAdmin    = "admin"    // everything
	RoleOperator = "operator" // runs the operation: users, missions; not the server
	RoleUser     = "user"
	RoleReadonly = "readonly" // sees what its groups may see and sends to nobody; has no other role beside it

	RoleAnonymous = "anonymous" // of Anonymous alone; no user has it
)

// User is somebody who may come in, a person or a machine.
type User struct {
	Name     string // login, and CN of the certificates; unique without regard to case
	FullName string
	Roles    []string     // none: user
	Groups   []Membership // none: __ANON__, both ways
	Disabled bool
	Expires  *time.Time // the account ends then; nil: never

	// What FreeTAKServer's API keeps of a system user.
	UID     string
	Team    string // colour
	Device  string // mobile or wintak
	Package string // file name of the client package

	// Not to be changed by SetUser.
	HasPassword bool
	Created     time.Time
	Changed     time.Time
}

// Membership is a user's place in a group.
type Membership struct {
	Group string
	In    bool // may send to it
	Out   bool // sees it
}

// NewUser is a user to be.
type NewUser struct {
	User
	Password     string // empty: none, so no login by password
	PasswordHash string // instead of Password, for imports: argon2id as PHC string, or bcrypt
}

// Group is a routing group, what TAK clients call a channel.
type Group struct {
	ID          hostapi.GroupID // never used again; the bitpos of Marti
	Name        string
	Description string
	Created     time.Time
}

// Token is an API token without its secret.
type Token struct {
	ID      string
	User    string
	Name    string // what it is for
	Weak    bool   // its secret was chosen by somebody, not by chance
	Created time.Time
	Used    time.Time // about; zero: never
	Expires *time.Time
}

// TokenSpec asks for an API token.
type TokenSpec struct {
	User    string
	Name    string
	Expires *time.Time
	Secret  string // own value, as FreeTAKServer's API sets them; empty: a random one
}

// Session is a login that lasts, without its secret.
type Session struct {
	ID      string
	User    string
	Addr    string
	Bearer  bool // an access token was given for it, not a cookie
	Created time.Time
	Used    time.Time // about
	Expires time.Time
}

// EnrolmentSpec asks for an enrolment code: for a user, or for an event.
type EnrolmentSpec struct {
	User    string     // of whom the devices are that use it
	Event   *EventCode // instead of User: each use makes a user
	Uses    int        // devices that may use it; 0: one
	Expires time.Time  // until when a device may use it for the first time
	Note    string     // for people
}

// EventCode says which users an event code makes.
type EventCode struct {
	Prefix string       // they are called Prefix-0001 and so on
	Groups []Membership // none: __ANON__, both ways
	Roles  []string     // user (the default) or readonly
	Until  *time.Time   // their accounts end then
}

// Enrolment is an enrolment code without its secret.
type Enrolment struct {
	ID      string
	User    string
	Event   *EventCode
	Uses    int
	Used    []EnrolmentUse
	Expires time.Time
	Created time.Time
	By      string // who made it
	Note    string
}

// EnrolmentUse is a device that has used an enrolment code.
type EnrolmentUse struct {
	User      string
	ClientUID string
	Serial    string // of the certificate that it got last
	At        time.Time
}

// Grant is the right to get a certificate, or an enrolment profile.
type Grant struct {
	Login     string // the name that was given: the request for a certificate has it as its CN
	User      string // whom the certificate is for; empty with an event code until a client uid is known
	Enrolment string // id of the code; empty: it was the password
	Renewal   bool   // a device that had a certificate by this code gets its next one

	clientUID string
	addr      string
}

// The kinds of certificates.
const (
	KindEnrolled = "enrolled" // a device asked for it
	KindPackage  = "package"  // with its key in a package
	KindFeed     = "feed"     // for a machine
	KindServer   = "server"   // lets nobody in
	KindImported = "imported"
)

// The states of certificates.
const (
	StateActive   = "active"
	StateReplaced = "replaced" // its device has a newer one; good for 24 hours more
	StateExpired  = "expired"
	StateRevoked  = "revoked"
)

// Certificate is what is known of a certificate that was given out.
type Certificate struct {
	Serial      string // hex, lower case
	Fingerprint string // SHA-256, upper case hex with colons
	User        string
	ClientUID   string // of the device, as far as known
	Subject     string
	Issuer      string
	PEM         string
	NotBefore   time.Time
	NotAfter    time.Time
	Issued      time.Time
	Kind        string
	Channels    bool   // has the key usage that lets its device choose channels
	Enrolment   string // id of the code it was got by
	Replaced    *time.Time
	Revoked     *time.Time
	Reason      string // of the revocation
	RevokedBy   string
}

// CertificateFilter narrows a list of certificates. Fields that are empty do not.
type CertificateFilter struct {
	User      string
	ClientUID string
	Kind      string
	State     string
}

// RevokedEntry is a line of a revocation list.
type RevokedEntry struct {
	Serial *big.Int
	At     time.Time
}

// The directions of a Channel.
const (
	DirectionIn  = "IN"  // the user may send to it
	DirectionOut = "OUT" // the user sees it
)

// Channel is one direction of a group for a device.
type Channel struct {
	Group     Group
	Direction string
	Active    bool
}

// Change tells what has changed. Names are those of users as stored.
type Change struct {
	Users        []string // their groups, roles, channels or rights; those of Removed too
	Device       string   // whose channels they are, if that is what has changed
	Groups       bool     // groups were added, renamed or removed
	Certificates []string // serials of certificates that were revoked
	Removed      []string // users that were removed or disabled, or whose time is over
	Logins       []string // users of whom tokens or sessions have ended: what goes on by one of them has to end
}
