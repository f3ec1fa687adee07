package hostapi

import (
	"math"
	"testing"
)

func TestPacking(t *testing.T) {
	for _, n := range []uint32{0, 1, 1 << 31, math.MaxUint32} {
		for _, p := range []uint32{0, 8, 1 << 31, math.MaxUint32} {
			if ptr, length := UnpackAnswer(PackAnswer(p, n)); ptr != p || length != n {
				t.Errorf("answer %d, %d: got %d, %d", p, n, ptr, length)
			}
		}
		for s := range 256 {
			if status, length := UnpackResult(PackResult(Status(s), n)); status != Status(s) || length != n {
				t.Errorf("result %d, %d: got %d, %d", s, n, status, length)
			}
		}
	}
	if s, _ := UnpackResult(-1); s != Failed {
		t.Errorf("got %v of a result that is none, want %v", s, Failed)
	}
	// What a module answers is written down for other languages.
	if got := PackAnswer(0x12345678, 0x9abcdef0); uint64(got) != 0x123456789abcdef0 {
		t.Errorf("got %x", got)
	}
}

func TestVersion(t *testing.T) {
	if major, minor := SplitVersion(ABIVersion); major != ABIMajor || minor != ABIMinor {
		t.Errorf("got %d.%d, want %d.%d", major, minor, ABIMajor, ABIMinor)
	}
	if major, minor := SplitVersion(-1); major != 0xffff || minor != 0xffff {
		t.Errorf("got %d.%d of -1", major, minor)
	}
}

func TestStatus(t *testing.T) {
	tests := []struct {
		s    Status
		name string
		http int
	}{
		{OK, "ok", 200}, {Retry, "retry", 503}, {Failed, "failed", 500}, {Invalid, "invalid", 400}, {Forbidden, "forbidden", 403},
		{Limit, "limit", 429}, {Unsupported, "unsupported", 501}, {NotFound, "not_found", 404}, {Conflict, "conflict", 409}, {Gone, "gone", 410},
		{77, "unknown", 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.s.String() != tt.name || tt.s.HTTP() != tt.http {
				t.Errorf("got %s, %d, want %s, %d", tt.s, tt.s.HTTP(), tt.name, tt.http)
			}
			back, ok := ParseStatus(tt.name)
			if known := tt.s <= Gone; ok != known || known && back != tt.s {
				t.Errorf("parsed: got %v, %v", back, ok)
			}
		})
	}
}

func TestHostOps(t *testing.T) {
	groups := map[HostOp]Capability{}
	for o := HostOp(0); o < 0x200; o++ {
		c, ok := o.Capability()
		if !ok {
			continue
		}
		if c != CapAlways && !c.Known() {
			t.Errorf("%v: got capability %q, which cannot be granted", o, c)
		}
		if first, seen := groups[o>>4]; seen && first != c && o>>4 != 1 {
			t.Errorf("%v: got capability %s in the group of %s", o, c, first)
		}
		groups[o>>4] = c
	}
	tests := []struct {
		o    HostOp
		name string
		c    Capability
	}{
		{HostLog, "log", CapAlways}, {HostQueryEvents, "events.query", CapEventsQuery}, {HostCall, "call", CapCall},
		{0, "host operation 0", ""}, {0x0f, "host operation 15", ""}, {math.MaxUint32, "host operation 4294967295", ""},
	}
	for _, tt := range tests {
		if c, ok := tt.o.Capability(); tt.o.String() != tt.name || c != tt.c || ok != (tt.c != "") {
			t.Errorf("%d: got %s, %q, %v, want %s, %q", tt.o, tt.o, c, ok, tt.name, tt.c)
		}
	}
	if got := GuestOp(99).String(); got != "guest operation 99" {
		t.Errorf("got %q", got)
	}
}
