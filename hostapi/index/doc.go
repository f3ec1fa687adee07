// Package index writes the keys by which documents are found: tuples of up to
// four values, as bytes whose order is the order of the values. Any database
// that can compare bytes thus orders documents alike, and a plugin asks for a
// range of values by a range of bytes.
//
// A key is its values one behind the other, each a tag and then:
//
//	0x10 false, 0x11 true   nothing
//	0x20 int                8 bytes, big-endian, the sign bit inverted
//	0x30 float              8 bytes, big-endian IEEE 754: of a negative number all
//	                        bits inverted, of another the sign bit; no NaN, and
//	                        -0 is written as 0
//	0x40 time               as int: microseconds since 1970 UTC
//	0x50 string             its bytes, each 00 as 00 FF, then 00
//	0x60 bytes              as string
//
// A tuple orders by its first value, then by its second, and so on; one that
// begins another comes before it. Values of different kinds order by tag, but an
// index has one kind for each place (the manifest says which), so that does not
// arise. No tag is FF, which is what makes After work.
//
// All functions are pure.
package index
