// Package admin is the REST side of who may come in: users, groups, tokens,
// enrolment, certificates, packages, profiles and the audit, under /api/v1. It
// checks who may ask for what, reads requests, and writes answers; the facts
// are kept by core/identity, core/pki and core/onboard.
//
// Administrators may do everything. Operators see users, groups, certificates
// and enrolments, and bring people on: they make enrolments and packages for
// those whose only role is user, since with more they could make themselves
// administrators. Everybody has his own account, password, tokens and
// certificates. Secrets go out once, in the answer of the request that made
// them.
//
// All functions are safe for concurrent use; nothing here has state but the
// folder of Packages.
package admin
