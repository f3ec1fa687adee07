// Package identity knows who may come in and what they may see: users, groups
// with directions, roles, API tokens, sessions, enrolment codes, the records of
// certificates, the channels of devices, and the audit of all that. It does not
// know sockets or HTTP, and it signs no certificates: core/pki does, and tells
// it of them.
//
// Everything is held in memory as one state that never changes: readers load a
// pointer and take no lock. Who changes something holds the one writer lock,
// makes the next state from copies of what differs, commits it with its rows of
// the audit in one transaction of the store, and then puts it in place. After
// that, outside of the lock and in the order of the changes, Options.OnChange is
// told. It may read; it must not change anything here, as it would wait for
// itself.
//
// Names of users and groups are unique without regard to case, and kept as they
// were given. Secrets are kept as hashes: passwords as argon2id, everything that
// is random as SHA-256.
//
// All methods of Service are safe for concurrent use. Nothing here starts a
// goroutine: the server calls Sweep every minute.
//
// Errors carry the codes of core/store. Those of callers that are refused are
// ErrBadCredentials, a *TooMany or a *Refusal.
package identity
