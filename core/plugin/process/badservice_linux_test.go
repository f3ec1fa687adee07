package process

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/takhost/takhost/hostapi/wire"
)

// badService is a plugin that breaks the rules of the stream.
type badService struct {
	plugin.NetRPCUnsupportedPlugin
	way string
}

func (badService) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}

func (b badService) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	name := "tak.plugin.v1.Plugin"
	if b.way == "other service" {
		name = "tak.plugin.v9.Plugin"
	}
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: name, HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName: "Session", ServerStreams: true, ClientStreams: true,
			Handler: func(_ any, s grpc.ServerStream) error { return b.session(s) },
		}},
	}, b)
	return nil
}

func (b badService) session(s grpc.ServerStream) error {
	answer := wire.Frame{Call: 12, Answer: true}
	if b.way == "unasked" {
		return errors.Join(s.SendMsg(answer.Append(nil)), s.RecvMsg(new([]byte)), s.RecvMsg(new([]byte)))
	}
	var in []byte
	if err := s.RecvMsg(&in); err != nil {
		return err
	}
	var f wire.Frame
	if err := f.Decode(in); err != nil {
		return err
	}
	switch b.way {
	case "ends":
		return nil
	case "deaf": // does not hear that the stream ends
		answer.Call, answer.Payload = f.Call, strconv.AppendInt(nil, int64(os.Getpid()), 10)
		_ = s.SendMsg(answer.Append(nil))
		select {}
	case "garbage":
		in = []byte{0xff, 0xff, 0xff}
	case "status":
		answer.Call, answer.Status = f.Call, 4711
		in = answer.Append(nil)
	}
	return errors.Join(s.SendMsg(in), s.RecvMsg(&in))
}

// rawCodec passes bytes on as they are.
type rawCodec struct{ encoding.CodecV2 }

func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.([]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return c.CodecV2.Marshal(v)
}

func (c rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if b, ok := v.(*[]byte); ok {
		*b = data.Materialize()
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}
