package hostapi

// What a process plugin and its server agree on before the first call, beside
// plugin.proto. Handshake, certificates and the address are go-plugin's
// (protocol version 1, the ABI's major version as the version of the plugin,
// gRPC on a Unix socket, AutoMTLS).
const (
	// ProcessCookieKey and ProcessCookieValue stand in the environment of the
	// process, so that a plugin that somebody starts by hand can say what it is.
	ProcessCookieKey   = "TAKHOST_PLUGIN"
	ProcessCookieValue = ABIName

	// ProcessService serves ProcessMethod: one stream of Frame both ways, which
	// lasts as long as the process.
	ProcessService = "tak.plugin.v1.Plugin"
	ProcessMethod  = "Session"

	// MaxFrame is how many bytes one message of the stream may have. The largest
	// are snapshots and bodies.
	MaxFrame = 64 << 20
)
