package plugin

import (
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// State is where a plugin is in its life.
type State string

// The states. A plugin that is Disabled or Failed has no routes and gets no events.
// One that is Broken keeps its routes, which answer that it is to be tried later,
// and its events pass by or wait, as its manifest says.
const (
	Disabled State = "disabled" // known, switched off
	Found    State = "found"    // a package is there
	Verified State = "verified" // its digest, manifest and grants are right
	Compiled State = "compiled" // its code is ready
	Warm     State = "warm"     // an instance has been initialised
	Active   State = "active"   // it gets events and requests
	Idle     State = "idle"     // active; instance and code are given up until they are needed
	Draining State = "draining" // its last calls end
	Stopped  State = "stopped"
	Failed   State = "failed" // it will not start: Reason says why
	Broken   State = "broken" // it crashed too often; it is tried again at Retry
)

// Setting is what an operator says of a plugin, in the file or at runtime. Nil
// and empty fields say nothing: a lower layer's value holds.
type Setting struct {
	Enabled *bool             `json:"enabled,omitempty"`
	Source  string            `json:"source,omitempty"` // folder or .takplugin; empty: shipped, or installed
	SHA256  string            `json:"sha256,omitempty"` // of the package; a source without one is pinned when it is first seen
	Grant   hostapi.Grants    `json:"grant,omitempty"`
	Limits  map[string]any    `json:"limits,omitempty"` // keys of the manifest's limits
	Config  map[string]any    `json:"config,omitempty"` // the plugin's own section
	Extra   map[string]string `json:"-"`                // where values come from, for messages: "takhost.yaml:12"
}

// Info describes a plugin, for lists and pages.
type Info struct {
	Name        string             `json:"name"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Version     string             `json:"version,omitempty"`
	Runtime     string             `json:"runtime,omitempty" doc:"wasm or process"`
	State       State              `json:"state"`
	Reason      string             `json:"reason,omitempty" doc:"Why it is in that state"`
	Since       time.Time          `json:"since" doc:"When it came into that state"`
	Retry       *time.Time         `json:"retry,omitempty" doc:"When a broken plugin is tried again"`
	Enabled     bool               `json:"enabled"`
	Lagging     bool               `json:"lagging,omitempty" doc:"Its queue was full in the last minute"`
	Source      string             `json:"source" doc:"shipped, installed, or the file it comes from"`
	SHA256      string             `json:"sha256,omitempty" doc:"Digest of the package"`
	Data        int64              `json:"data,omitempty" doc:"Version of the documents it writes"`
	Asks        []string           `json:"asks,omitempty" doc:"What the manifest asks for"`
	Ask         map[string]any     `json:"ask,omitempty" doc:"The same, as a grant is written"`
	Missing     []string           `json:"missing,omitempty" doc:"What of it is not granted"`
	Needs       []string           `json:"needs,omitempty" doc:"Actions of other plugins"`
	Provides    []string           `json:"provides,omitempty" doc:"Its actions"`
	Routes      []RouteInfo        `json:"routes,omitempty"`
	Values      []Value            `json:"values,omitempty" doc:"Settings in force and where each comes from"`
	Counts      Counts             `json:"counts"`
	History     []Change           `json:"history,omitempty" doc:"Last changes of state, newest first"`
	Metrics     map[string]float64 `json:"metrics,omitempty" doc:"The plugin's own metrics"`
}

// RouteInfo is one route of a plugin.
type RouteInfo struct {
	Method string `json:"method"`
	Path   string `json:"path"`
}

// Value is one setting in force.
type Value struct {
	Key    string `json:"key" doc:"Such as enabled, grant.events.read or config.period"`
	Value  any    `json:"value"`
	Origin string `json:"origin" doc:"default, shipped, manifest, file, database, environment or flag"`
}

// Counts are what a plugin did since the server started.
type Counts struct {
	Events      uint64 `json:"events" doc:"Events handled"`
	Calls       uint64 `json:"calls" doc:"Calls of all kinds"`
	Requests    uint64 `json:"requests" doc:"HTTP requests"`
	Emits       uint64 `json:"emits" doc:"Events sent"`
	Missed      uint64 `json:"missed" doc:"Events dropped because its queue was full"`
	DeadLetters uint64 `json:"dead_letters" doc:"Events and timers it failed on for good"`
	Crashes     uint64 `json:"crashes"`
	Refused     uint64 `json:"refused" doc:"Operations refused because they are not granted"`
	Queued      int    `json:"queued" doc:"Events that wait for it"`
	QueuedBytes int64  `json:"queued_bytes"`
	Memory      int64  `json:"memory" doc:"Bytes of its instances"`
	Code        int64  `json:"code" doc:"Bytes of its compiled code, about"`
	Instances   int    `json:"instances"`
}

// Change is one step of a plugin's life.
type Change struct {
	At      time.Time `json:"at"`
	State   State     `json:"state"`
	Version string    `json:"version,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// DeadLetter is something that a plugin failed on for good.
type DeadLetter struct {
	ID      int64           `json:"id"`
	Plugin  string          `json:"plugin"`
	Version string          `json:"version"`
	At      time.Time       `json:"at"`
	Op      string          `json:"op" doc:"events, timer or clients"`
	Event   string          `json:"event,omitempty" doc:"Id of the event"`
	XML     string          `json:"xml,omitempty" doc:"The event"`
	Subject string          `json:"subject,omitempty" doc:"Name of the timer, or uid of the client"`
	Error   string          `json:"error"`
	Output  string          `json:"output,omitempty" doc:"What the plugin printed last, such as a stack"`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

// Routes are the routes of one plugin in a generation.
type Routes struct {
	Plugin    string
	Version   string
	Manifest  *manifest.Manifest
	Files     fs.FS    // of manifest.Static; nil without
	Prefixes  []string // granted beside /api/plugins/NAME/
	Listeners []string // granted; empty: web and rest
}

// Answer is a plugin's answer to a request.
type Answer struct {
	Status      int
	ContentType string // empty: what the route declares
	Header      [][2]string
	Size        int64 // of the body; -1 when it is not known before it was written

	// File is set when the body is a file and nothing else: whoever is asked for a
	// part of it reads that here, in the place of WriteTo.
	File *store.BlobReader

	OfFile   bool   // some of the body is out of a file
	FileName string // as which that is to be saved; empty: nobody said

	// WriteTo writes the body, once; documents and ranges are read meanwhile. The
	// answer must be closed whether it was written or not.
	WriteTo func(ctx context.Context, w io.Writer) error
	Close   func()
}
