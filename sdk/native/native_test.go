//go:build !wasip1

package native

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// How a process and a server speak is tested in core/plugin/process, whose tests are
// plugins by this package.

func TestStartedByHand(t *testing.T) {
	t.Setenv(hostapi.ProcessCookieKey, "")
	err := Serve(func() *sdk.Plugin { return &sdk.Plugin{} })
	if err == nil || !strings.Contains(err.Error(), "the server runs it") {
		t.Errorf("got %v, want a hint", err)
	}
}

// The codec serves frames, and go-plugin's own services beside them.
func TestCodec(t *testing.T) {
	c := newCodec()
	t.Run("frame", func(t *testing.T) {
		want := wire.Frame{Call: 7, Op: 4, Payload: []byte("text"), Within: 3, Deadline: 9}
		b, err := c.Marshal(&want)
		if err != nil {
			t.Fatal(err)
		}
		var got wire.Frame
		if err := c.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("message", func(t *testing.T) {
		want := &grpc_health_v1.HealthCheckRequest{Service: "plugin"}
		b, err := c.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		got := &grpc_health_v1.HealthCheckRequest{}
		if err := c.Unmarshal(b, got); err != nil || !proto.Equal(want, got) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	})
}
