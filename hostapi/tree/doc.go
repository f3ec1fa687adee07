// Package tree turns request bodies and other documents that reach a plugin into
// a hostapi.Tree. It is for the host: plugins read trees, and link no parser.
//
// JSON is read as RFC 8259 has it, and strictly: nothing behind the value, no
// key twice in an object, no bytes outside UTF-8. XML is read by the scanner of
// hostapi/cot with its rules: no document type, no entities but the five. Both are
// bounded by Limits. An Error says where the fault is. All functions are pure.
package tree
