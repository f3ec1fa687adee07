// Package server builds the parts of takhost from a configuration, starts them
// in order and stops them in reverse. It holds no behaviour of its own: what
// the parts need of one another they declare as interfaces, and this package
// fits them together.
package server
