// Package hostapi is the contract between the core and everything that is not
// the core: the event as the core hands it around, event ids, group sets. It
// imports the standard library alone, so that a plugin author can link all of
// it, and it holds no behaviour beyond reading and writing what it defines.
package hostapi
