package process

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/takhost/takhost/hostapi/wire"
)

// codec is how frames go into gRPC messages: as hostapi/wire writes them, which
// is protobuf, without its library.
type codec struct{}

var _ encoding.CodecV2 = codec{}

// Name makes the content type application/grpc+proto, which every server takes.
func (codec) Name() string { return "proto" }

// frameHead is more than what a frame has beside its payload.
const frameHead = 64

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*wire.Frame)
	if !ok {
		return nil, fmt.Errorf("write a %T as a frame", v)
	}
	pool := mem.DefaultBufferPool()
	buf := pool.Get(len(f.Payload) + frameHead)
	*buf = f.Append((*buf)[:0])
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	p, ok := v.(*packet)
	if !ok {
		return fmt.Errorf("read a frame into a %T", v)
	}
	p.buf = data.MaterializeToBuffer(mem.DefaultBufferPool())
	p.err = p.Frame.Decode(p.buf.ReadOnlyData())
	return nil
}

// packet is a frame that came, with the memory it lies in.
type packet struct {
	wire.Frame
	buf mem.Buffer
	err error // it is no frame
}

// free gives the memory back. The payload is gone then.
func (p *packet) free() {
	p.buf.Free()
	p.Frame.Payload = nil
}
