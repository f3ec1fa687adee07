package cot

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTime(t *testing.T) {
	const noon = 1767355200_000000 // 2026-01-02T12:00:00Z
	tests := []struct {
		in   string
		want int64
		ok   bool
	}{
		{"2026-01-02T12:00:00Z", noon, true},
		{"2026-01-02T12:00:00.Z", noon, true},
		{"2026-01-02T12:00:00.4Z", noon + 400000, true},
		{"2026-01-02T12:00:00.456Z", noon + 456000, true},
		{"2026-01-02T12:00:00.456789Z", noon + 456789, true},
		{"2026-01-02T12:00:00.4567899Z", noon + 456789, true},
		{"2026-01-02T12:00:00.000000000000000000000000000001Z", noon, true},
		{"2026-01-02T13:00:00+01:00", noon, true},
		{"2026-01-02T13:00:00.5+0100", noon + 500000, true},
		{"2026-01-02T06:30:00-05:30", noon, true},
		{"2026-01-02T12:00:00-00:00", noon, true},
		{"2026-01-03T11:59:00+23:59", noon, true},
		{"1970-01-01T00:00:00Z", 0, true},
		{"1969-12-31T23:59:59.999999Z", -1, true},
		{"0000-01-01T00:00:00Z", minTime, true},
		{"9999-12-31T23:59:59.999999Z", maxTime, true},
		{"2024-02-29T00:00:00Z", 1709164800_000000, true},
		{"2000-02-29T00:00:00Z", 951782400_000000, true},

		{"2023-02-29T00:00:00Z", 0, false},
		{"1900-02-29T00:00:00Z", 0, false},
		{"2026-04-31T00:00:00Z", 0, false},
		{"2026-00-01T00:00:00Z", 0, false},
		{"2026-13-01T00:00:00Z", 0, false},
		{"2026-01-00T00:00:00Z", 0, false},
		{"2026-01-32T00:00:00Z", 0, false},
		{"2026-01-02T24:00:00Z", 0, false},
		{"2026-01-02T12:60:00Z", 0, false},
		{"2026-01-02T12:00:60Z", 0, false},
		{"", 0, false},
		{"Z", 0, false},
		{"2026-01-02", 0, false},
		{"2026-01-02T12:00Z", 0, false},
		{"2026-01-02T12:00:00", 0, false},
		{"2026-01-02T12:00:00.5", 0, false},
		{"2026-01-02T12:00:00ZZ", 0, false},
		{"2026-01-02T12:00:00z", 0, false},
		{"2026-01-02t12:00:00Z", 0, false},
		{"2026-01-02 12:00:00Z", 0, false},
		{" 2026-01-02T12:00:00Z", 0, false},
		{"2026-01-02T12:00:00Z ", 0, false},
		{"2026-01-02T12:00:00,5Z", 0, false},
		{"2026-01-02T12:00:00.5.5Z", 0, false},
		{"2026-01-02T12:00:00.-5Z", 0, false},
		{"2026-01-02T12:00:00+1:00", 0, false},
		{"2026-01-02T12:00:00+01", 0, false},
		{"2026-01-02T12:00:00+01-00", 0, false},
		{"2026-01-02T12:00:00+24:00", 0, false},
		{"2026-01-02T12:00:00+01:60", 0, false},
		{"2026-01-02T12:00:00*01:00", 0, false},
		{"20260102T120000Z    ", 0, false},
		{"2026/01/02T12:00:00Z", 0, false},
		{"2O26-01-02T12:00:00Z", 0, false},
		{"+026-01-02T12:00:00Z", 0, false},
		{"-001-01-02T12:00:00Z", 0, false},
		{"12026-01-02T12:00:00Z", 0, false},
		{"２026-01-02T12:00:00Z", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, ok := ParseTime(tt.in)
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("got %d, %v; want %d, %v", got, ok, tt.want, tt.ok)
			}
			if std, stdOK := stdTime(tt.in); stdOK != ok || ok && std != got {
				t.Errorf("got %d, %v; package time gives %d, %v", got, ok, std, stdOK)
			}
		})
	}
}

// Every day from 0000-01-01 to 9999-12-31, there and back.
func TestEveryDay(t *testing.T) {
	day := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	var buf [32]byte
	for n := int64(minTime); n <= maxTime; n += 86400 * 1e6 {
		y, m, d := day.Date()
		text := AppendTime(buf[:0], n+12345678)
		if y2, m2, d2 := civil(floorDiv(n, 86400*1e6)); int64(y) != y2 || int64(m) != m2 || int64(d) != d2 {
			t.Fatalf("day of %v: got %d-%d-%d", day, y2, m2, d2)
		}
		if got, ok := ParseTime(string(text)); !ok || got != n+12345000 {
			t.Fatalf("%s: got %d, %v; want %d", text, got, ok, n+12345000)
		}
		day = day.AddDate(0, 0, 1)
	}
	if got := day.Year(); got != 10000 {
		t.Errorf("ended in year %d, want 10000", got)
	}
}

func TestAppendTime(t *testing.T) {
	tests := []struct {
		name string
		usec int64
		want string
	}{
		{"epoch", 0, "1970-01-01T00:00:00.000Z"},
		{"micros are cut", 1767355200_456789, "2026-01-02T12:00:00.456Z"},
		{"before the epoch", -1, "1969-12-31T23:59:59.999Z"},
		{"first", minTime, "0000-01-01T00:00:00.000Z"},
		{"before the first", minTime - 1, "0000-01-01T00:00:00.000Z"},
		{"far before", -1 << 63, "0000-01-01T00:00:00.000Z"},
		{"last", maxTime, "9999-12-31T23:59:59.999Z"},
		{"after the last", maxTime + 1, "9999-12-31T23:59:59.999Z"},
		{"far after", 1<<63 - 1, "9999-12-31T23:59:59.999Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendTime([]byte("x"), tt.usec)); got != "x"+tt.want {
				t.Errorf("got %s, want x%s", got, tt.want)
			}
		})
	}
}

func TestAppendTimeAsPackageTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		usec := rapid.Int64Range(minTime, maxTime).Draw(t, "usec")
		want := time.UnixMicro(usec).UTC().Format("2006-01-02T15:04:05.000Z")
		if got := string(AppendTime(nil, usec)); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}

func TestParseTimeAsPackageTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{0,10})?(Z|[-+][0-2][0-9]:?[0-6][0-9])`).Draw(t, "s")
		got, ok := ParseTime(s)
		want, wantOK := stdTime(s)
		if ok != wantOK || ok && got != want {
			t.Fatalf("ParseTime(%s) = %d, %v; package time gives %d, %v", s, got, ok, want, wantOK)
		}
	})
}
