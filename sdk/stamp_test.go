package sdk

import (
	"testing"

	"github.com/takhost/takhost/hostapi/cot"
)

func TestStamp(t *testing.T) {
	check := func(us int64) {
		t.Helper()
		got, want := string(appendStamp([]byte("x"), us)), string(cot.AppendTime([]byte("x"), us))
		if got != want {
			t.Fatalf("%d: got %s, want %s", us, got, want)
		}
	}
	const day = 86400 * 1e6
	for d := int64(-800); d < 48000; d++ {
		check(d * day)
		check(d*day - 1)
	}
	for us := int64(0); us < day; us += 997_003 { // all times of one day, about
		check(us + 19844*day)
	}
	check(1 << 62)
	check(-1 << 62)
}
