// Package pki is the server's certificate authority: it makes or takes over the
// authority, keeps the server's certificate fresh, signs clients' certificates,
// says which are revoked, and gives the tls.Config that listeners use. It knows
// names and keys, not users: who may have a certificate, and which are revoked,
// is decided elsewhere and told by Sign and Revoke.
//
// All of it lies in one folder (Options.Dir, 0700, keys 0600):
//
//	ca.pem, ca.key          the authority; certificates of its chain follow it
//	former.pem, former.key  the one before, between Rollover and FinishRollover
//	next.pem, next.key      brought by the operator for the next Rollover
//	server.pem, server.key  the server's own certificate
//	crl.pem                 revocation list, one block for each authority
//	token.key               signs access tokens
//
// Files appear whole or not at all, and those of one step together: they are
// written and synced in a folder aside, which is renamed when it is complete and
// then emptied into place. Open finishes what a crash left between.
//
// All methods of PKI are safe for concurrent use. What handshakes need is one
// immutable state behind an atomic pointer, so they take no lock and see a
// renewal or revocation at once. Changes to files are serialised by PKI.work;
// PKI.mu is held only to swap the state, and is taken after work.
package pki
