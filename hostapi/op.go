package hostapi

import "strconv"

// GuestOp is an operation that the host asks of a plugin. A plugin that does
// not know one answers Unsupported. The message that each takes and gives is
// in plugin.proto.
type GuestOp uint32

// The operations of a plugin. Only describe and init are called before the
// plugin is active, and only describe is called before init.
const (
	OpDescribe    GuestOp = iota + 1 // nothing → Description
	OpInit                           // Init → nothing
	OpHealth                         // nothing → nothing, or a status that says what is wrong
	OpEvents                         // Batch → BatchResult, or nothing: all done
	OpHTTP                           // HTTPRequest → HTTPResponse
	OpTimer                          // Timer → nothing
	OpSnapshot                       // nothing → Snapshot
	OpRestore                        // Snapshot → nothing
	OpReconfigure                    // Init → nothing; Unsupported: a new instance is made instead
	OpStop                           // nothing → nothing; the instance is not called again
	OpReindex                        // Reindex → Reindexed
	OpFilter                         // Batch of one View → FilterVerdict; no HostOp but those of CapAlways
	OpAction                         // Action → ActionResult
	OpClients                        // ClientChanges → nothing
	OpStream                         // StreamEvents → nothing
)

var guestOpNames = [...]string{
	OpDescribe: "describe", OpInit: "init", OpHealth: "health", OpEvents: "events", OpHTTP: "http",
	OpTimer: "timer", OpSnapshot: "snapshot", OpRestore: "restore", OpReconfigure: "reconfigure",
	OpStop: "stop", OpReindex: "reindex", OpFilter: "filter", OpAction: "action",
	OpClients: "clients", OpStream: "stream",
}

func (o GuestOp) String() string {
	if o >= OpDescribe && int(o) < len(guestOpNames) {
		return guestOpNames[o]
	}
	return "guest operation " + strconv.Itoa(int(o))
}

// HostOp is an operation that a plugin asks of the host. The numbers are
// grouped by capability, sixteen each.
type HostOp uint32

// The operations of the host. "Staged" ones take effect when the call of the
// guest in which they happen is committed, and not at all when it is not; the
// guest sees its own staged writes at once. Which message each takes and gives,
// and what it means, is in plugin.proto.
const (
	HostLog    HostOp = 0x01 + iota // Log → nothing; at once
	HostConfig                      // nothing → Tree of the plugin's own section
	HostClock                       // nothing → Clock
	HostRandom                      // RandomRequest → bytes, from a cryptographic source
	HostMetric                      // Metrics → nothing; at once
)

const (
	HostEmit        HostOp = 0x10 + iota // Emit → nothing; staged
	HostQueryEvents                      // EventQuery → EventPage
)

const (
	HostGet         HostOp = 0x20 + iota // Get → Documents
	HostPut                              // Put → nothing; staged
	HostDelete                           // Delete → Deleted; staged
	HostQuery                            // Query → Documents
	HostNextCounter                      // Counter → CounterValue; staged
)

const (
	HostBlobPut      HostOp = 0x30 + iota // BlobPut → BlobRef
	HostBlobRead                          // BlobRead → bytes
	HostBlobStat                          // BlobRef → BlobRef with all fields
	HostBlobList                          // BlobOwner → BlobRefs
	HostBlobZipList                       // BlobRef → ZipEntries
	HostBlobZipEntry                      // ZipEntryRequest → BlobRef
	HostBlobPack                          // BlobPack → BlobRef
	HostBlobKeep                          // BlobKeep → nothing; staged
	HostBlobRelease                       // BlobKeep → nothing; staged
)

// HostClients and the others have a group of their own each.
const (
	HostClients HostOp = 0x40 // ClientQuery → Clients

	HostIdentity HostOp = 0x50 // IdentityQuery → Identity

	HostTopicSet   HostOp = 0x60 // Topic → nothing; staged
	HostTopicJoin  HostOp = 0x61 // Topic → nothing; staged
	HostTopicLeave HostOp = 0x62 // Topic → nothing; staged
	HostTopicDrop  HostOp = 0x63 // TopicName → nothing; staged
	HostTopicGet   HostOp = 0x64 // TopicName → Topic
	HostTopicAlias HostOp = 0x65 // TopicAlias → nothing; staged

	HostTimerSet    HostOp = 0x70 // TimerSet → nothing; staged
	HostTimerCancel HostOp = 0x71 // TimerName → nothing; staged

	HostPublish HostOp = 0x80 // Publish → nothing; staged

	HostFetch HostOp = 0x90 // Fetch → Fetched; at once: leaves the building at least once

	HostStreamListen HostOp = 0xa0 // StreamListen → StreamOpened
	HostStreamDial   HostOp = 0xa1 // StreamDial → StreamOpened; opened or closed follows by OpStream
	HostStreamWrite  HostOp = 0xa2 // StreamWrite → nothing; staged
	HostStreamClose  HostOp = 0xa3 // StreamID → nothing; staged
	HostStreamCredit HostOp = 0xa4 // StreamCredit → nothing; staged

	HostCall HostOp = 0xb0 // Action → ActionResult
)

var hostOps = [...]struct {
	name string
	cap  Capability
}{
	HostLog:    {"log", CapAlways},
	HostConfig: {"config", CapAlways},
	HostClock:  {"clock", CapAlways},
	HostRandom: {"random", CapAlways},
	HostMetric: {"metric", CapAlways},

	HostEmit:        {"events.emit", CapEventsEmit},
	HostQueryEvents: {"events.query", CapEventsQuery},

	HostGet:         {"store.get", CapStore},
	HostPut:         {"store.put", CapStore},
	HostDelete:      {"store.delete", CapStore},
	HostQuery:       {"store.query", CapStore},
	HostNextCounter: {"store.counter", CapStore},

	HostBlobPut:      {"blobs.put", CapBlobs},
	HostBlobRead:     {"blobs.read", CapBlobs},
	HostBlobStat:     {"blobs.stat", CapBlobs},
	HostBlobList:     {"blobs.list", CapBlobs},
	HostBlobZipList:  {"blobs.zip.list", CapBlobs},
	HostBlobZipEntry: {"blobs.zip.entry", CapBlobs},
	HostBlobPack:     {"blobs.pack", CapBlobs},
	HostBlobKeep:     {"blobs.keep", CapBlobs},
	HostBlobRelease:  {"blobs.release", CapBlobs},

	HostClients:  {"clients.list", CapClients},
	HostIdentity: {"identity.read", CapIdentityRead},

	HostTopicSet:   {"topics.set", CapTopics},
	HostTopicJoin:  {"topics.join", CapTopics},
	HostTopicLeave: {"topics.leave", CapTopics},
	HostTopicDrop:  {"topics.drop", CapTopics},
	HostTopicGet:   {"topics.get", CapTopics},
	HostTopicAlias: {"topics.alias", CapTopics},

	HostTimerSet:    {"timers.set", CapTimers},
	HostTimerCancel: {"timers.cancel", CapTimers},

	HostPublish: {"live.publish", CapLivePublish},
	HostFetch:   {"http.client", CapHTTPClient},

	HostStreamListen: {"streams.listen", CapStreams},
	HostStreamDial:   {"streams.dial", CapStreams},
	HostStreamWrite:  {"streams.write", CapStreams},
	HostStreamClose:  {"streams.close", CapStreams},
	HostStreamCredit: {"streams.credit", CapStreams},

	HostCall: {"call", CapCall},
}

func (o HostOp) String() string {
	if _, ok := o.Capability(); ok {
		return hostOps[o].name
	}
	return "host operation " + strconv.Itoa(int(o))
}

// Capability gives what a plugin must have been granted for the operation, and
// whether there is such an operation.
func (o HostOp) Capability() (Capability, bool) {
	if int64(o) >= int64(len(hostOps)) || hostOps[o].name == "" {
		return "", false
	}
	return hostOps[o].cap, true
}
