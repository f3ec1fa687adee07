package wasm

import (
	"encoding/binary"
	"math"
	"time"
)

// Layouts of poll_oneoff (WASI/legacy/preview1/docs.md, subscription and event).
const (
	subSize   = 48
	eventSize = 32
	maxSubs   = 128 // a language's runtime has a clock and a few descriptors

	tagClock = 0
	tagRead  = 1
	tagWrite = 2

	clockAbsolute = 1
)

// wasiPoll waits for a clock: (in, out, number, events). Of descriptors, the
// output is ready and all others are unknown. The wait ends with the call.
func (i *instance) wasiPoll(slots []uint64) {
	in, out, n, num := uint32(slots[0]), uint32(slots[1]), uint32(slots[2]), uint32(slots[3])
	if n == 0 || n > maxSubs {
		slots[0] = errnoInval
		return
	}
	subs, ok := i.mod.Memory().Read(in, n*subSize)
	events, ok2 := i.mod.Memory().Read(out, n*eventSize)
	if !ok || !ok2 {
		slots[0] = errnoFault
		return
	}
	var waits [maxSubs]time.Duration
	var errnos [maxSubs]uint16
	shortest := time.Duration(math.MaxInt64)
	for k := range n {
		waits[k], errnos[k] = i.wait(subs[k*subSize:][:subSize])
		shortest = min(shortest, waits[k])
	}
	i.sleep(shortest)

	var got uint32
	for k := range n {
		if waits[k] > shortest {
			continue
		}
		sub, event := subs[k*subSize:], events[got*eventSize:][:eventSize]
		var e [eventSize]byte
		copy(e[:8], sub[:8]) // userdata
		binary.LittleEndian.PutUint16(e[8:], errnos[k])
		e[10] = sub[8]
		copy(event, e[:])
		got++
	}
	slots[0] = result(i.put32(num, got))
}

// wait is how long until a subscription has its event, and the errno of that.
func (i *instance) wait(sub []byte) (time.Duration, uint16) {
	switch sub[8] {
	case tagClock:
		now, ok := i.clock(binary.LittleEndian.Uint32(sub[16:]))
		if !ok {
			return 0, errnoInval
		}
		timeout := binary.LittleEndian.Uint64(sub[24:])
		if binary.LittleEndian.Uint16(sub[40:])&clockAbsolute != 0 {
			timeout -= min(timeout, now)
		}
		return time.Duration(min(timeout, math.MaxInt64)), errnoOK
	case tagRead, tagWrite:
		return 0, uint16(stdio(binary.LittleEndian.Uint32(sub[16:])))
	}
	return 0, errnoInval
}

// sleep waits, but not longer than the call lasts.
func (i *instance) sleep(d time.Duration) {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-i.ctx.Done():
		}
	}
	i.mustGoOn()
}
