package wire

import (
	"errors"
	"testing"
)

func TestDecodeFaults(t *testing.T) {
	tests := []struct {
		name string
		in   string
		want error
	}{
		{"cut tag", "\x80", ErrTruncated},
		{"cut length", "\x0a", ErrTruncated},
		{"cut text", "\x0a\x05abc", ErrTruncated},
		{"number 0", "\x02\x00", ErrTag},
		{"group", "\x7b\x7c", ErrTag},
		{"long number", "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", ErrVarint},
		{"cut inside", "\x2a\x02\x80\x80", ErrTruncated},
		{"cut unknown number of four bytes", "\xfd\x01abc", ErrTruncated},
		{"cut unknown number of eight bytes", "\xf9\x01abc", ErrTruncated},
		{"not UTF-8", "\x0a\x01\xff", ErrUTF8},
		{"another type for a known number", "\x08\x05", nil},
		{"nothing", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var m Description
			if err := m.Decode([]byte(tt.in)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// A field that is there twice counts as protobuf has it: the last text, all
// numbers, messages merged.
func TestDecodeTwice(t *testing.T) {
	first := (&Emission{XML: "a", Audience: &Audience{Topic: "t", Groups: []string{"g"}}}).Append(nil)
	both := (&Emission{XML: "b", Audience: &Audience{All: true, Groups: []string{"h"}}}).Append(first)
	var m Emission
	if err := m.Decode(both); err != nil {
		t.Fatal(err)
	}
	if m.XML != "b" || m.Audience.Topic != "t" || !m.Audience.All || len(m.Audience.Groups) != 2 {
		t.Errorf("got %+v, %+v", m, m.Audience)
	}
	if err := m.Decode(nil); err != nil || m.XML != "" || m.Audience != nil {
		t.Errorf("got %+v, %v, want nothing of what was there before", m, err)
	}
}

func TestAppendMakesUTF8(t *testing.T) {
	var m Error
	if err := m.Decode((&Error{Message: "a\xff\xfeb"}).Append(nil)); err != nil || m.Message != "a\ufffdb" {
		t.Errorf("got %q, %v", m.Message, err)
	}
}

func BenchmarkHTTPRequest(b *testing.B) {
	m := HTTPRequest{
		Route: "list-fences", Method: "GET", Path: "/api/plugins/geofence/fences/7", Params: []Pair{{"id", "7"}}, Query: []Pair{{"limit", "10"}},
		Headers: []Pair{{"accept", "application/json"}}, Caller: &Caller{User: "linde", Name: "Linde", Roles: []string{"user"}, InSet: 3, OutSet: 3, Listener: "web", BaseURL: "https://tak.example.org:8446"},
	}
	buf := m.Append(nil)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf = m.Append(buf[:0])
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		var r HTTPRequest
		for b.Loop() {
			if err := r.Decode(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestAudienceCheck(t *testing.T) {
	tests := []struct {
		name string
		a    *Audience
		want error
	}{
		{"none", nil, ErrAudience},
		{"empty", &Audience{}, ErrAudience},
		{"groups", &Audience{Groups: []string{"Blue"}}, nil},
		{"as event", &Audience{AsEvent: 1}, nil},
		{"names within groups", &Audience{All: true, Topic: "t"}, nil},
		{"a union of names", &Audience{UIDs: []string{"u"}, Callsigns: []string{"c"}, Set: 3}, nil},
		{"two scopes", &Audience{All: true, Set: 3}, ErrAudience},
		{"an event and names", &Audience{AsEvent: 1, UIDs: []string{"u"}}, ErrAudience},
		{"an event and groups", &Audience{AsEvent: 1, All: true}, ErrAudience},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.a.Check(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
