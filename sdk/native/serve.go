//go:build !wasip1

package native

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
)

func init() { sdk.Transport(func() error { return serve(sdk.NewInstance()) }) }

// Serve serves a plugin that is not registered: one of several that a program has
// in it. It returns an error when there is no server at the other end, and else
// ends the process when the server is gone.
func Serve(newPlugin func() *sdk.Plugin) error { return serve(sdk.InstanceOf(newPlugin())) }

// Handler answers the calls of the server, one at a time, as [sdk.Instance] does.
type Handler interface {
	Serve(h sdk.Host, op hostapi.GuestOp, in, dst []byte) (out []byte, s hostapi.Status)
}

// ServeHandler is for who does without the sdk package's Plugin.
func ServeHandler(h Handler) error { return serve(h) }

func serve(h Handler) error {
	if os.Getenv(hostapi.ProcessCookieKey) != hostapi.ProcessCookieValue {
		return errors.New("this program is a takhost plugin: pack it by takhost plugin build, and the server runs it")
	}
	s := &service{handler: h, opened: make(chan struct{}), exit: os.Exit}
	go s.awaitServer()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: hostapi.ABIMajor, MagicCookieKey: hostapi.ProcessCookieKey, MagicCookieValue: hostapi.ProcessCookieValue,
		},
		Plugins: plugin.PluginSet{"plugin": s},
		Logger:  hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr, JSONFormat: true}),
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o,
				grpc.ForceServerCodecV2(newCodec()),
				grpc.MaxRecvMsgSize(hostapi.MaxFrame), grpc.MaxSendMsgSize(hostapi.MaxFrame),
				grpc.InitialWindowSize(4<<20), grpc.InitialConnWindowSize(8<<20),
			)...)
		},
	})
	return nil
}

// service is the plugin's side of service Plugin.
type service struct {
	plugin.NetRPCUnsupportedPlugin
	handler Handler
	once    sync.Once
	opened  chan struct{} // the server has opened its stream
	exit    func(code int)
}

var _ plugin.GRPCPlugin = (*service)(nil)

func (s *service) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	g.RegisterService(&grpc.ServiceDesc{
		ServiceName: hostapi.ProcessService,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName: hostapi.ProcessMethod, ServerStreams: true, ClientStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error { return s.session(stream) },
		}},
	}, s)
	return nil
}

func (s *service) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("a plugin calls nothing but the stream")
}

// awaitServer ends a process that no server connects to: one that died in between.
func (s *service) awaitServer() {
	select {
	case <-s.opened:
	case <-time.After(time.Minute):
		s.exit(1)
	}
}
