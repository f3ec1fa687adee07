// Package hostapi is the contract between the core and everything that is not
// the core: the event as the core hands it around, event ids, group sets, and
// all that a plugin and its host say to one another.
//
// It holds no behaviour beyond reading and writing what it defines, imports the
// standard library alone, and keeps the heavy parts of that (reflect, encoding/…)
// out, since plugins link it. Everything in it is a value or a pure function; what
// is not, says so.
//
// # The plugin contract
//
// A plugin is a WASM module or a process. To both the boundary is the same:
//
//	(op, bytes) → (status, bytes)
//
// in both directions: the host calls a [GuestOp] of the plugin, the plugin calls
// a [HostOp] of the host while it answers. The bytes of an operation are one
// message of plugin.proto (Go code for it is in hostapi/wire), except
//
//   - events, which travel as event views ([View], in a [Batch]),
//   - trees: the plugin's config section and request bodies in JSON and XML,
//     in the form of [Tree],
//   - keys of indexes (hostapi/index).
//
// None of these needs a parser of XML or JSON in the plugin. The layouts of view
// and tree are written down at [View] and [Tree], the calls of a WASM module at
// [ABIName], so that a guest in another language needs these three comments,
// plugin.proto and a protobuf reader of some hundred lines. What a plugin is and
// asks for stands in its manifest (hostapi/manifest).
//
// # Versions
//
// The contract has a major and a minor number, [ABIMajor] and [ABIMinor].
//
//   - The major number is in the name of the import module and in the answer of
//     the export tak_abi. It rises when something that is there changes or goes.
//     The host keeps the previous major for one release.
//   - The minor number rises when something is added: an operation, a status, a
//     field of a message, a field at the end of a view's header, a kind of tree
//     node. Nobody has to know what was added: an operation not known answers
//     [Unsupported], a status not known counts as [Failed], fields of messages not
//     known are skipped, and a view says how long its header is.
//   - A guest may ask for a minor number above the host's only if it can live
//     without what is new in it; the manifest's "abi" says what it needs, and the
//     host refuses what it cannot give before it starts any code.
package hostapi
