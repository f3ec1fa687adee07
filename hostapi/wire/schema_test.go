package wire

import (
	"context"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/takhost/takhost/hostapi"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// message is what every generated type is.
type message interface {
	Append([]byte) []byte
	Decode([]byte) error
}

// schema compiles plugin.proto with a compiler that is not ours.
func schema(t testing.TB) protoreflect.FileDescriptor {
	t.Helper()
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{".."}}}
	files, err := c.Compile(context.Background(), "plugin.proto")
	if err != nil {
		t.Fatalf("compile schema: %v", err)
	}
	return files[0]
}

func TestAllMessagesAreThere(t *testing.T) {
	all := allMessages()
	descriptors := schema(t).Messages()
	if descriptors.Len() != len(all) {
		t.Errorf("got %d types, want %d", len(all), descriptors.Len())
	}
	for i := range descriptors.Len() {
		if name := string(descriptors.Get(i).Name()); all[name] == nil {
			t.Errorf("message %s has no type", name)
		}
	}
}

// The numbers stand in the schema for other languages and in package hostapi for
// Go.
func TestNumbersAgree(t *testing.T) {
	tests := []struct {
		enum, prefix string
		name         func(n int) string
		count        func() int
	}{
		{"GuestOp", "GUEST_OP_", func(n int) string { return hostapi.GuestOp(n).String() }, func() (n int) {
			for i := range 256 {
				if !strings.HasPrefix(hostapi.GuestOp(i).String(), "guest operation") {
					n++
				}
			}
			return n
		}},
		{"HostOp", "HOST_OP_", func(n int) string { return hostapi.HostOp(n).String() }, func() (n int) {
			for i := range 1024 {
				if _, ok := hostapi.HostOp(i).Capability(); ok {
					n++
				}
			}
			return n
		}},
		{"Status", "STATUS_", func(n int) string { return hostapi.Status(n).String() }, func() (n int) {
			for i := range 256 {
				if hostapi.Status(i).String() != "unknown" {
					n++
				}
			}
			return n
		}},
	}
	for _, tt := range tests {
		t.Run(tt.enum, func(t *testing.T) {
			values := schema(t).Enums().ByName(protoreflect.Name(tt.enum)).Values()
			seen := 0
			for i := range values.Len() {
				v := values.Get(i)
				if strings.HasSuffix(string(v.Name()), "_NONE") {
					continue
				}
				seen++
				want := strings.ToLower(strings.TrimPrefix(string(v.Name()), tt.prefix))
				if got := strings.ReplaceAll(tt.name(int(v.Number())), ".", "_"); got != want {
					t.Errorf("number %d: got %s in hostapi, want %s", v.Number(), got, want)
				}
			}
			if got := tt.count(); got != seen {
				t.Errorf("got %d in hostapi, %d in the schema", got, seen)
			}
		})
	}
}

// A grant as a plugin sees it has what hostapi.Scope has.
func TestGrantHasAllKeys(t *testing.T) {
	fields := schema(t).Messages().ByName("Grant").Fields()
	for _, c := range hostapi.Capabilities() {
		for _, k := range c.Keys() {
			if fields.ByName(protoreflect.Name(k.Name)) == nil {
				t.Errorf("%s: Grant has no field %s", c, k.Name)
			}
		}
	}
}
