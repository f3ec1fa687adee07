// Package manifest reads what a plugin says of itself: plugin.json, beside its
// code and static files. It is for hosts and tools; plugins do not link it.
//
// The file is JSON, since every language writes it, editors complete it by the
// schema in plugin.schema.json (which [JSONSchema] makes from the types here), and
// a program can write it. [FromTree] takes the same from any decoded form, such as
// YAML.
//
// Reading is strict and tells all faults at once, each with its place in the file
// and what to do about it:
//
//	routes[2].path: "/Marti/x" is outside of /api/plugins/geofence/: ask for http.routes with this prefix
//
// A manifest that was read without a fault is consistent in itself, and asks in
// capabilities for all that it uses. Whether that is granted, and whether routes
// clash with those of others, is for the host to say.
//
// All functions are pure.
package manifest
