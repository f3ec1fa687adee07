// Package conformance has the cases that every plugin must pass whatever it is
// written in and whatever runs it: what it answers, what it asks of the host, and
// that no input breaks it.
//
// One guest is written in each language that has an SDK: testdata/go (as a WASM module
// and as a process), testdata/c, testdata/rust and testdata/python. They do the same,
// by the means of their SDK; what the header-sized ones have no function for, they
// write as messages. TestConformance runs one table of cases against all five:
// whoever writes an SDK for another language writes this guest with it.
//
//   - Init and reconfigure write what they were told into the document state/config,
//     restore into state/restored. A config with "refuse" is refused.
//   - An event becomes a document of the collection seen, with all that its view has,
//     unless its type is x-refuse or x-retry; x-late fails behind its effect.
//   - Each operation of the host has a route, whose arguments are the members of a JSON
//     body. What it gives stands in the answer, with a bar behind each field. An error
//     of the host is passed on, with its status, and with the step before its message.
//   - Operations on files go to the server's own host and store, and TestFilesOverHTTP
//     has the same guests take uploads and answer with files in a whole server.
//
// What an SDK leaves out on purpose stands in the table of languages, with the reason;
// a case then asks that the guest says so properly, and no entry may be there for
// nothing.
//
// The examples that count events pass a suite of their own, TestCounters.
//
// Guests are built here with the tools that are found; a test names the one that is
// missing.
package conformance
