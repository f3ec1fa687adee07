package sdk

import "github.com/takhost/takhost/hostapi/wire"

// Kinds of a ClientChange.
const (
	ClientConnected    = wire.ClientChangeKindConnected    // it said who it is
	ClientChanged      = wire.ClientChangeKindChanged      // its callsign, or which of its connections is used
	ClientDisconnected = wire.ClientChangeKindDisconnected // its last connection ended
)
