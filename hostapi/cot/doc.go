// Package cot reads and writes Cursor-on-Target events as the TAK world sends
// them: one <event> element in UTF-8 without a document type.
//
// Scan checks a whole event and finds what routing needs, in one pass and
// without allocating. ParseDetail gives the parts below <detail> as a flat
// table for whoever asked for more. Builder writes new events. All but Builder
// are pure functions over immutable strings and safe for concurrent use; nothing
// here knows sockets, groups or storage.
//
// Well-formedness is really checked: tags match, names and entities are legal
// (the five predefined ones and character references), no document type, no
// bytes outside UTF-8, no control characters. Size, depth and attributes are
// bounded by Limits. What the event means beyond that is the sender's affair:
// unknown elements and attributes are kept as they are.
package cot
