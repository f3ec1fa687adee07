// Package config holds what an operator can set: one struct per part with its
// defaults, the strict reading of takhost.yaml, environment and flags, and the
// sample file made from the same structs. It opens nothing and starts nothing:
// whether a port is free or a certificate is readable is found out by the part
// that uses it.
//
// Load puts the sources on top of one another: defaults, file, environment,
// flags. It remembers for every key where its value comes from, and reports all
// faults of all sources together. A value that holds a password never appears
// in an error, in a log or in what Show writes.
//
// A Config is plain data. It is safe for concurrent reading; who changes one
// changes a copy.
package config
