package takproto

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	long := strings.Repeat("x", 300)
	tests := []struct {
		name string
		b    string
		max  int
		want Frame
	}{
		{"nothing", "", 100, Frame{}},
		{"a frame", "\xbf\x03abc", 100, Frame{Size: 5, Message: []byte("abc")}},
		{"a frame and more", "\xbf\x03abc\xbf\x01", 100, Frame{Size: 5, Message: []byte("abc")}},
		{"an empty message", "\xbf\x00\xbf", 100, Frame{Size: 2, Message: []byte{}}},
		{"magic inside", "\xbf\x03\xbf\xbf\xbf", 100, Frame{Size: 5, Message: []byte("\xbf\xbf\xbf")}},
		{"two bytes of length", "\xbf\xac\x02" + long, 300, Frame{Size: 303, Message: []byte(long)}},
		{"length longer than needed", "\xbf\x83\x80\x00abc", 100, Frame{Size: 7, Message: []byte("abc")}},
		{"magic alone", "\xbf", 100, Frame{}},
		{"length not complete", "\xbf\xac", 300, Frame{}},
		{"message not there", "\xbf\x03", 100, Frame{Size: 5}},
		{"message not complete", "\xbf\x03ab", 100, Frame{Size: 5}},
		{"other bytes", "<event/>", 100, Frame{Skip: 8}},
		{"other bytes before", "<event/>\xbf\x03abc", 100, Frame{Skip: 8, Size: 5, Message: []byte("abc")}},
		{"other bytes before a part", "ab\xbf\x03a", 100, Frame{Skip: 2, Size: 5}},
		{"too long", "\xbf\x04abcd", 3, Frame{Skip: 6, Refused: 1}},
		{"too long, frame inside", "\xbf\x7fa\xbf\x01b", 3, Frame{Skip: 3, Refused: 1, Size: 3, Message: []byte("b")}},
		{"too long, magic as length", "\xbf\xbf\x01b", 3, Frame{Skip: 1, Refused: 1, Size: 3, Message: []byte("b")}},
		{"longest length", "\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 1 << 30, Frame{Skip: 11, Refused: 1}},
		{"length of 65 bits", "\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 1 << 30, Frame{Skip: 11, Refused: 1}},
		{"length without end", "\xbf" + strings.Repeat("\x80", 10), 1 << 30, Frame{Skip: 11, Refused: 1}},
		{"length perhaps without end", "\xbf" + strings.Repeat("\x80", 9), 1 << 30, Frame{}},
		{"only empty ones", "\xbf\x01a\xbf\x00", 0, Frame{Skip: 3, Refused: 1, Size: 2, Message: []byte{}}},
		{"none at all", "\xbf\x00", -1, Frame{Skip: 2, Refused: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Split([]byte(tt.b), tt.max)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("frame (-want +got):\n%s", diff)
			}
			if want := tt.want.Message != nil; got.Complete() != want {
				t.Errorf("Complete: got %v, want %v", got.Complete(), want)
			}
		})
	}
}

// split reads a stream that comes in the given pieces, as a connection does,
// and gives what it found: messages, and how many bytes were skipped and
// headers refused.
func split(t testing.TB, max int, pieces ...[]byte) (messages []string, skipped, refused int) {
	var buf []byte
	for _, p := range pieces {
		buf = append(buf, p...)
		for {
			f := Split(buf, max)
			if f.Skip > len(buf) || f.Size < 0 || f.Refused > f.Skip {
				t.Fatalf("Split(%q) = %+v, out of bounds", buf, f)
			}
			buf = buf[f.Skip:]
			skipped += f.Skip
			refused += f.Refused
			if !f.Complete() {
				if f.Size > 0 && f.Size <= len(buf) {
					t.Fatalf("Split(%q) = %+v, not complete though all is there", buf, f)
				}
				break
			}
			if f.Size > len(buf) || !bytes.HasSuffix(buf[:f.Size], f.Message) || len(f.Message) > max {
				t.Fatalf("Split(%q) = %+v, message out of place", buf, f)
			}
			messages = append(messages, string(f.Message))
			buf = buf[f.Size:]
		}
	}
	return messages, skipped, refused
}

// However a stream is cut, it holds the same.
func TestSplitAnywhere(t *testing.T) {
	stream := []byte("junk\xbf\x03abc\xbf\x00\xbf\xff\xff\x7f\xbf\x01d\xbf\xac\x02" + strings.Repeat("\xbf", 300) +
		"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02more\xbf\x01e")
	wantMessages, wantSkipped, wantRefused := split(t, 300, stream)
	want := []string{"abc", "", "d", strings.Repeat("\xbf", 300), "e"}
	if diff := cmp.Diff(want, wantMessages); diff != "" {
		t.Fatalf("messages in one piece (-want +got):\n%s", diff)
	}
	check := func(pieces ...[]byte) {
		t.Helper()
		messages, skipped, refused := split(t, 300, pieces...)
		if diff := cmp.Diff(wantMessages, messages); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
		if skipped != wantSkipped || refused != wantRefused {
			t.Errorf("skipped %d, refused %d, want %d and %d", skipped, refused, wantSkipped, wantRefused)
		}
	}
	for i := range stream {
		check(stream[:i], stream[i:])
	}
	var single [][]byte
	for i := range stream {
		single = append(single, stream[i:i+1])
	}
	check(single...)
}

func TestSplitAllocs(t *testing.T) {
	b := []byte("junk\xbf\xff\xff\x7f\xbf\x03abc")
	if n := testing.AllocsPerRun(100, func() { Split(b, 100) }); n != 0 {
		t.Errorf("Split allocates %v times, want 0", n)
	}
}
