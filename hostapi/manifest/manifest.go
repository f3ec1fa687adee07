package manifest

import (
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// FileName is the manifest's name in a plugin's folder or archive.
const FileName = "plugin.json"

// MaxSize is how many bytes a manifest may have.
const MaxSize = 256 << 10

// Manifest is a plugin's manifest. The tags are read by the decoder and by
// JSONSchema: "need" marks a key that must be there, "enum" lists the allowed
// values with the default first, "default" is what an absent key means, "min" and
// "max" bound numbers, and "doc" says what the key is for.
type Manifest struct {
	Schema      string   `json:"$schema" doc:"address of the schema, for editors"`
	Name        string   `json:"name" need:"" doc:"name of the plugin: lower-case letters, digits and -"`
	Version     string   `json:"version" need:"" doc:"version of the plugin, such as 1.2.0"`
	ABI         string   `json:"abi" need:"" doc:"version of the plugin contract it was built for, such as tak/1"`
	Title       string   `json:"title" doc:"name for people"`
	Description string   `json:"description" doc:"what the plugin does, in a sentence"`
	License     string   `json:"license" doc:"SPDX name of the licence"`
	Authors     []string `json:"authors" doc:"who wrote it"`
	Homepage    string   `json:"homepage" doc:"where to read more"`

	Runtime     string   `json:"runtime" enum:"wasm,process" doc:"what runs it"`
	Entry       string   `json:"entry" doc:"file of the module or program; plugin.wasm for a WASM plugin"`
	Args        []string `json:"args" doc:"arguments of a process plugin"`
	Termination string   `json:"termination" enum:",check,fuel" doc:"how endless loops of a WASM plugin are found; empty: as the server thinks best"`

	Data      int64    `json:"data" default:"1" min:"1" max:"1000000" doc:"version of the documents it writes; it reads all up to this one"`
	State     string   `json:"state" enum:"store,memory" doc:"where its state lives: store needs no snapshot, and memory may vanish between calls"`
	Accepts   []string `json:"accepts" doc:"with state memory: versions whose snapshot it takes over, with * for any text; none: its own major version"`
	OnSwap    string   `json:"onSwap" enum:"migrate,drain" doc:"what happens to its connections when it is replaced"`
	OnFailure string   `json:"onFailure" enum:"skip,hold" doc:"while it cannot run: let events pass by, or queue them up to the limit"`
	HTTP      string   `json:"http" enum:"shared,pool" doc:"pool: several instances answer requests at once"`
	Placement string   `json:"placement" enum:"every,one" doc:"on which nodes of a cluster it runs"`

	Provides      []Action       `json:"provides" doc:"actions that other plugins may call"`
	Needs         []Need         `json:"needs" doc:"actions of other plugins that it cannot do without"`
	Subscriptions []Subscription `json:"subscriptions" doc:"events it receives"`
	Filters       []Filter       `json:"filters" doc:"events it passes, drops or changes before they are routed"`
	Clients       bool           `json:"clients" doc:"call it when clients connect and disconnect"`
	Routes        []Route        `json:"routes" doc:"HTTP requests it answers"`
	Static        *Static        `json:"static" doc:"files served as they are"`
	Collections   []Collection   `json:"collections" doc:"kinds of documents it keeps"`
	Timers        []Timer        `json:"timers" doc:"timers that always run"`
	Capabilities  Capabilities   `json:"capabilities" doc:"what it asks to be allowed, with the scope"`
	Limits        Limits         `json:"limits" doc:"limits it asks to have changed"`
	Config        *Schema        `json:"config" doc:"JSON Schema of its section in the server's config"`
}

// Capabilities are what a plugin asks for, or what a config grants.
type Capabilities hostapi.Grants

// Action is one that other plugins may call.
type Action struct {
	Name    string `json:"name" need:"" doc:"name of the action; others call it as PLUGIN.NAME"`
	Version int64  `json:"version" default:"1" min:"1" max:"1000" doc:"rises when callers have to change"`
	Public  bool   `json:"public" doc:"also reached by /v2/PLUGIN/NAME"`
	Writes  bool   `json:"writes" doc:"it changes something"`
	Doc     string `json:"doc" doc:"what it does"`
}

// Need is an action of another plugin.
type Need struct {
	Action   string `json:"action" need:"" doc:"PLUGIN.NAME"`
	Version  int64  `json:"version" default:"1" min:"1" max:"1000" doc:"lowest version of it"`
	Optional bool   `json:"optional" doc:"the plugin works without it"`
}

// Subscription says which events the plugin receives.
type Subscription struct {
	Types    []string `json:"types" need:"" doc:"patterns of CoT types, such as a-f-*"`
	Detail   []string `json:"detail" doc:"elements of the detail that its views shall have; * is all"`
	XML      bool     `json:"xml" doc:"its views shall have the event as it was sent"`
	Latest   bool     `json:"latest" doc:"a newer event of the same uid may replace one that waits"`
	Durable  bool     `json:"durable" doc:"read from the archive, none left out even when the server dies"`
	Box      *Box     `json:"box" doc:"events in this area alone"`
	Groups   []string `json:"groups" doc:"patterns of groups of the sender; none: all"`
	Missions []string `json:"missions" doc:"patterns of missions: also events that are sent to one of these"`
	Own      bool     `json:"own" doc:"also events that the plugin itself emitted"`
}

// Filter says which events the plugin decides on.
type Filter struct {
	Types     []string `json:"types" need:"" doc:"patterns of CoT types, such as a-f-*"`
	Detail    []string `json:"detail" doc:"elements of the detail that its views shall have; * is all"`
	XML       bool     `json:"xml" doc:"its views shall have the event as it was sent"`
	Box       *Box     `json:"box" doc:"events in this area alone"`
	Groups    []string `json:"groups" doc:"patterns of groups of the sender; none: all"`
	Listeners []string `json:"listeners" doc:"names of listeners; none: all"`
	Fail      string   `json:"fail" enum:"open,closed" doc:"while it cannot run: let the events pass, or drop them"`
	Order     int64    `json:"order" min:"-1000" max:"1000" doc:"filters of lower numbers come first"`
}

// Route is one HTTP operation.
type Route struct {
	ID        string   `json:"id" need:"" doc:"operation id, which names the route in calls and in the API description"`
	Method    string   `json:"method" enum:"GET,HEAD,POST,PUT,PATCH,DELETE" doc:"HTTP method"`
	Path      string   `json:"path" need:"" doc:"whole path; {name} is a segment, {name...} at the end is the rest"`
	Listeners []string `json:"listeners" doc:"listeners that have the route; none: web and rest"`
	Summary   string   `json:"summary" doc:"what it does, in a few words"`
	Doc       string   `json:"doc" doc:"what it does"`
	Tags      []string `json:"tags" doc:"headings in the API description"`
	Params    []Param  `json:"params" doc:"parameters of path, query and headers"`
	Body      string   `json:"body" enum:"none,json,loose,xml,form,raw,blob" doc:"form of the request body; loose: JSON whatever the content type, unknown keys allowed"`
	Input     *Schema  `json:"input" doc:"JSON Schema of the body"`
	MaxBody   Bytes    `json:"maxBody" doc:"bytes of the body; none: 1 MiB, of a blob what the grant allows"`
	Response  string   `json:"response" default:"application/json" doc:"content type of the answer, exactly"`
	Output    *Schema  `json:"output" doc:"JSON Schema of the answer"`
	Status    int64    `json:"status" default:"200" min:"200" max:"299" doc:"HTTP status of the answer when all is well, for the API description"`
	Errors    string   `json:"errors" enum:"problem,marti,fts" doc:"form of error answers"`
	HTTP      string   `json:"http" enum:",shared,pool" doc:"other than the plugin's own http"`
	Writes    bool     `json:"writes" doc:"a GET or HEAD that changes something"`
	Action    string   `json:"action" doc:"action of provides that answers instead of an HTTP call"`
	Open      bool     `json:"open" doc:"needs no login"`
	Roles     []string `json:"roles" doc:"roles of which the caller must have one; none: any"`
}

// Param is a parameter of a route.
type Param struct {
	Name   string  `json:"name" need:"" doc:"its name"`
	In     string  `json:"in" enum:"query,path,header" doc:"where it stands"`
	Needed bool    `json:"needed" doc:"refuse a request without it"`
	Doc    string  `json:"doc" doc:"what it means"`
	Schema *Schema `json:"schema" doc:"JSON Schema of its value; none: any text"`
}

// Static says which files are served.
type Static struct {
	Folder    string   `json:"folder" need:"" doc:"folder in the plugin's archive"`
	Path      string   `json:"path" doc:"path they are served below; none: /api/plugins/NAME/static/"`
	Listeners []string `json:"listeners" doc:"listeners that have them; none: web and rest"`
	Open      bool     `json:"open" doc:"need no login"`
	Index     string   `json:"index" doc:"file that answers paths without a file"`
}

// Collection is one kind of document.
type Collection struct {
	Name    string  `json:"name" need:"" doc:"its name"`
	Indexes []Index `json:"indexes" doc:"ways to find its documents"`
}

// Index is one way to find documents.
type Index struct {
	Name   string   `json:"name" need:"" doc:"its name"`
	Fields []string `json:"fields" need:"" doc:"kinds of its values, up to four: int, float, bool, string, bytes, time"`
	Unique bool     `json:"unique" doc:"no two documents may have the same values"`
}

// Timer runs as long as the plugin is active.
type Timer struct {
	Name  string   `json:"name" need:"" doc:"its name"`
	Every Duration `json:"every" need:"" doc:"span between two calls, such as 30s"`
}

// Limits are those of a plugin. Zero is the server's default.
type Limits struct {
	Memory      Bytes    `json:"memory" doc:"linear memory of an instance"`
	QueueEvents int64    `json:"queueEvents" min:"1" max:"1000000" doc:"events that may wait"`
	QueueBytes  Bytes    `json:"queueBytes" doc:"bytes of events that may wait"`
	BatchEvents int64    `json:"batchEvents" min:"1" max:"4096" doc:"events of one call"`
	Emits       int64    `json:"emits" min:"1" max:"100000" doc:"events emitted in one call"`
	HostCalls   int64    `json:"hostCalls" min:"1" max:"1000000" doc:"operations of the host in one call"`
	Snapshot    Bytes    `json:"snapshot" doc:"bytes of a snapshot"`
	EventsTime  Duration `json:"eventsTime" doc:"span for one batch"`
	HTTPTime    Duration `json:"httpTime" doc:"span for one request"`
	InitTime    Duration `json:"initTime" doc:"span to start"`
	Instances   int64    `json:"instances" min:"1" max:"64" doc:"with http pool: instances at most"`
}

// Box is an area: in the file four numbers, south, west, north, east.
type Box cot.Box

// Prefix is where a plugin of that name may always have routes.
func Prefix(name string) string { return "/api/plugins/" + name + "/" }

// Grants gives what the manifest asks for.
func (m *Manifest) Grants() hostapi.Grants { return hostapi.Grants(m.Capabilities) }
