package main

type eventsCmd struct {
	Tail   eventsTailCmd   `cmd:"" help:"Show events as they come."`
	Query  eventsQueryCmd  `cmd:"" help:"Look up archived events."`
	Replay eventsReplayCmd `cmd:"" help:"Send archived or captured events again, as a client would."`
}

// filterFlags choose events.
type filterFlags struct {
	UID  string   `placeholder:"UID" help:"Events of this uid alone."`
	Type []string `placeholder:"GLOB" help:"Events of this CoT type, with * for any text, such as 'a-f-*'. May be given several times."`
	Box  string   `placeholder:"S,W,N,E" help:"Events in this box: south, west, north, east in degrees."`
}

func (f *filterFlags) query() map[string][]string {
	q := map[string][]string{}
	if f.UID != "" {
		q["uid"] = []string{f.UID}
	}
	if len(f.Type) > 0 {
		q["type"] = f.Type
	}
	if f.Box != "" {
		q["box"] = []string{f.Box}
	}
	return q
}
