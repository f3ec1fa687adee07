package call

import (
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// eye sees what a caller may see of stored events beyond their groups: an event
// that named its receivers is for them and its sender. Callsigns and members of
// missions count as they are now.
type eye struct {
	env    *Env
	caller *wire.Caller
}

// allStreaming as a destination callsign means everybody
// (spec/tak-streaming.md 10).
const allStreaming = "All Streaming"

func (y *eye) sees(e *hostapi.Event) bool {
	if e.NumDests() == 0 || y.sent(e) {
		return true
	}
	var callsigns, topics []string
	for i := range e.NumDests() {
		switch d := e.Dest(i); d.Kind {
		case cot.DestCallsign:
			if d.Value == allStreaming {
				return true
			}
			callsigns = append(callsigns, d.Value)
		case cot.DestUID:
			if y.caller.Client != "" && d.Value == y.caller.Client {
				return true
			}
		case cot.DestGroup:
			if id, ok := y.env.Groups.Named(d.Value); ok && y.env.holds(hostapi.SetID(y.caller.OutSet), id) {
				return true
			}
		case cot.DestMission:
			topics = append(topics, y.env.force.topicsOf(d.Value)...)
		case cot.DestMissionGUID:
			topics = append(topics, d.Value)
		}
	}
	return y.caller.Client != "" && len(callsigns)+len(topics) > 0 && y.env.Router.Holds(y.caller.Client, callsigns, topics)
}

func (y *eye) sent(e *hostapi.Event) bool {
	if y.caller.User != "" && e.User == y.caller.User {
		return true
	}
	return y.caller.User == e.User && y.caller.Client != "" && e.Client == y.caller.Client
}
