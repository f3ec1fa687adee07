//go:build !wasip1

package native

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec of go-plugin's own services
	"google.golang.org/grpc/mem"

	"github.com/takhost/takhost/hostapi/wire"
)

// codec writes frames as hostapi/wire does, which is protobuf without its library,
// and leaves the messages of go-plugin's own services to that.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// frameHead is more than what a frame has beside its payload.
const frameHead = 64

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*wire.Frame)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	pool := mem.DefaultBufferPool()
	buf := pool.Get(len(f.Payload) + frameHead)
	*buf = f.Append((*buf)[:0])
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}

// Unmarshal copies, so that a payload that a plugin keeps by mistake grows old, and
// is not overwritten.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	f, ok := v.(*wire.Frame)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	return f.Decode(data.Materialize())
}
