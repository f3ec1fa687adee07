package hostapi

// Capability names something that a plugin may do. All but CapAlways are denied
// unless the manifest asks and the config grants; see [Scope] for how much of
// one is granted.
type Capability string

// The capabilities.
const (
	CapAlways       Capability = "always" // log, config, clock, random, metrics: needs no grant
	CapEventsRead   Capability = "events.read"
	CapEventsFilter Capability = "events.filter"
	CapEventsEmit   Capability = "events.emit"
	CapEventsQuery  Capability = "events.query"
	CapStore        Capability = "store"
	CapBlobs        Capability = "blobs"
	CapClients      Capability = "clients"
	CapIdentityRead Capability = "identity.read"
	CapTopics       Capability = "topics"
	CapTimers       Capability = "timers"
	CapLivePublish  Capability = "live.publish"
	CapHTTPRoutes   Capability = "http.routes"
	CapHTTPClient   Capability = "http.client"
	CapStreams      Capability = "streams"
	CapCall         Capability = "call"
)

// ScopeKind says what a key of a scope holds.
type ScopeKind uint8

// The kinds. Those up to ScopeActions are lists of texts.
const (
	ScopeTypes    ScopeKind = iota // patterns of CoT types: a-f-*
	ScopeGlobs                     // patterns of names: * is any text
	ScopeWords                     // names as they stand
	ScopePrefixes                  // beginnings of names
	ScopePaths                     // beginnings of HTTP paths, whole segments
	ScopeHosts                     // patterns of host[:port], see MatchHost
	ScopeActions                   // patterns of plugin.action

	ScopeBox   // an area, as cot.Box
	ScopeFlag  // yes or no
	ScopeCount // a number
	ScopeBytes // a number of bytes
	ScopeSpan  // a length of time
)

// IsList says whether keys of that kind hold a list of texts.
func (k ScopeKind) IsList() bool { return k <= ScopeActions }

// Absence says what it means that a scope does not have a key.
type Absence uint8

// What an absent key can mean.
const (
	AbsentAll     Absence = iota // no bound of this kind; for numbers: Default
	AbsentNone                   // nothing of this kind
	AbsentRefused                // not allowed: the key must be there
)

// ScopeKey is one key that the scope of a capability may have.
type ScopeKey struct {
	Name    string
	Kind    ScopeKind
	Absent  Absence
	Default int64 // of numbers: what holds when the key is absent; 0 is no bound
	Doc     string
}

type capability struct {
	name Capability
	doc  string
	keys []ScopeKey // the first list is what a bare list in a manifest or grant stands for
}

// The table of the contract; only read.
var capabilities = []capability{
	{CapEventsRead, "receive events", []ScopeKey{typesKey, groupsKey, boxKey, missionsKey,
		{Name: "rate", Kind: ScopeCount, Doc: "events a second; none: no bound"}}},
	{CapEventsFilter, "pass, drop or change events before they are routed", []ScopeKey{typesKey, groupsKey, boxKey, missionsKey}},
	{CapEventsEmit, "send events", []ScopeKey{typesKey, groupsKey, missionsKey,
		{Name: "rate", Kind: ScopeCount, Default: 1000, Doc: "events a second"}}},
	{CapEventsQuery, "read the archive", []ScopeKey{typesKey, groupsKey, boxKey, missionsKey,
		{Name: "span", Kind: ScopeSpan, Doc: "how far back; none: no bound"},
		{Name: "rows", Kind: ScopeCount, Default: MaxPage, Doc: "events of one answer"}}},
	{CapStore, "keep documents", []ScopeKey{
		{Name: "bytes", Kind: ScopeBytes, Default: 64 << 20, Doc: "bytes of all documents together"}}},
	{CapBlobs, "keep files", []ScopeKey{
		{Name: "bytes", Kind: ScopeBytes, Default: 1 << 30, Doc: "bytes of all files together"}}},
	{CapClients, "see who is connected", []ScopeKey{groupsKey}},
	{CapIdentityRead, "read users, groups and certificates", nil},
	{CapTopics, "own topics", []ScopeKey{
		{Name: "prefixes", Kind: ScopePrefixes, Absent: AbsentRefused, Doc: "beginnings of topic names"}}},
	{CapTimers, "be called at set times", []ScopeKey{
		{Name: "number", Kind: ScopeCount, Default: 1000, Doc: "timers at a time"}}},
	{CapLivePublish, "send live updates to browsers", []ScopeKey{
		{Name: "names", Kind: ScopeGlobs, Absent: AbsentRefused, Doc: "names of live streams"}}},
	{CapHTTPRoutes, "answer HTTP requests", []ScopeKey{
		{Name: "prefixes", Kind: ScopePaths, Absent: AbsentNone, Doc: "paths beside the plugin's own /api/plugins/NAME/"},
		{Name: "listeners", Kind: ScopeWords, Doc: "listeners that have the routes; none: the usual ones"}}},
	{CapHTTPClient, "send HTTP requests", []ScopeKey{
		{Name: "hosts", Kind: ScopeHosts, Absent: AbsentRefused, Doc: "hosts; without a port 80 and 443 are meant"},
		{Name: "methods", Kind: ScopeWords, Doc: "methods; none: all"}}},
	{CapStreams, "speak through connections that the core holds", []ScopeKey{
		{Name: "listen", Kind: ScopeHosts, Absent: AbsentNone, Doc: "addresses to listen at, with port"},
		{Name: "dial", Kind: ScopeHosts, Absent: AbsentNone, Doc: "addresses to connect to, with port"},
		{Name: "trust", Kind: ScopeWords, Absent: AbsentNone, Doc: "trust stores for TLS"}}},
	{CapCall, "use actions of other plugins", []ScopeKey{
		{Name: "actions", Kind: ScopeActions, Absent: AbsentRefused, Doc: "patterns of plugin.action"}}},
}

// Keys that several capabilities have.
var (
	typesKey    = ScopeKey{Name: "types", Kind: ScopeTypes, Absent: AbsentRefused, Doc: "patterns of CoT types, such as a-f-*"}
	groupsKey   = ScopeKey{Name: "groups", Kind: ScopeGlobs, Doc: "patterns of group names; none: all groups"}
	boxKey      = ScopeKey{Name: "box", Kind: ScopeBox, Doc: "events in this area alone"}
	missionsKey = ScopeKey{Name: "missions", Kind: ScopeFlag, Doc: "also events that are sent to a mission"}
)

// Capabilities gives the names that can be granted, in the order of the
// documentation.
func Capabilities() []Capability {
	names := make([]Capability, len(capabilities))
	for i := range capabilities {
		names[i] = capabilities[i].name
	}
	return names
}

// Known says whether c can be granted.
func (c Capability) Known() bool { return c.find() != nil }

// Doc says in a few words what c allows: "receive events".
func (c Capability) Doc() string {
	if p := c.find(); p != nil {
		return p.doc
	}
	return ""
}

// Keys gives the keys that a scope of c may have. Where a manifest or grant has
// a bare list instead of a scope, the first of them is meant. The caller must
// not change them.
func (c Capability) Keys() []ScopeKey {
	if p := c.find(); p != nil {
		return p.keys
	}
	return nil
}

func (c Capability) find() *capability {
	for i := range capabilities {
		if capabilities[i].name == c {
			return &capabilities[i]
		}
	}
	return nil
}
