package process

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// service is what go-plugin wants to know of a plugin's services: nothing, as the
// stream is opened on the connection itself.
type service struct{ plugin.NetRPCUnsupportedPlugin }

var _ plugin.GRPCPlugin = service{}

func (service) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("the host serves nothing")
}

func (service) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

// New starts a process and opens its stream. What it does not finish it takes back:
// after an error nothing of it is left.
func (m *module) New(ctx context.Context, h guest.Host) (_ guest.Instance, err error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	dir, err := os.MkdirTemp(m.rt.dir, folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a folder for the process: %w", err)
	}
	c := newChild(m, dir)
	i := newInstance(m, dir, c, h)
	defer func() {
		if err != nil {
			_ = i.Close(context.WithoutCancel(ctx))
		}
	}()
	tlsConfig, cert, err := newTLS()
	if err != nil {
		return nil, fmt.Errorf("secure the connection: %w", err)
	}
	i.client = plugin.NewClient(m.clientConfig(c, dir, tlsConfig, cert))

	// go-plugin knows no contexts; a start whose time is over ends with its process.
	stop := context.AfterFunc(ctx, c.kill)
	defer stop()
	protocol, err := i.client.Client()
	if err == nil {
		grpcClient, ok := protocol.(*plugin.GRPCClient)
		if !ok {
			return nil, fmt.Errorf("the process speaks %T, not gRPC", protocol)
		}
		err = i.open(ctx, grpcClient.Conn)
	}
	if err != nil {
		return nil, m.startFault(ctx, c, err)
	}
	if !stop() {
		return nil, m.startFault(ctx, c, ctx.Err())
	}
	i.run()
	return i, nil
}

func (m *module) clientConfig(c *child, dir string, t *tls.Config, cert []byte) *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  hostapi.ABIMajor,
			MagicCookieKey:   hostapi.ProcessCookieKey,
			MagicCookieValue: hostapi.ProcessCookieValue,
		},
		Plugins:          plugin.PluginSet{"plugin": service{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, _ string) (runner.Runner, error) {
			c.cmd.Env = append(append(c.cmd.Env, spec.Env...), clientCertEnv+"="+string(cert))
			return c, nil
		},
		TLSConfig:        t,
		SkipHostEnv:      true,
		StartTimeout:     2 * startLimit, // New's context ends before
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: dir},
		Logger:           &shim{log: m.rt.log.With("plugin", m.code.Name), gate: &c.gate},
		SyncStdout:       c.out.stream("stdout", slog.LevelInfo),
		SyncStderr:       c.out.stream("stderr", slog.LevelWarn),
		GRPCDialOptions: []grpc.DialOption{
			// A batch and its answer each in one turn, without gRPC's probing for the
			// right size.
			grpc.WithInitialWindowSize(4 << 20),
			grpc.WithInitialConnWindowSize(8 << 20),
		},
	}
}

// startFault says in an author's words why a process did not come up. What is
// known of the process itself says more than what go-plugin saw of it.
func (m *module) startFault(ctx context.Context, c *child, err error) error {
	var exec *fs.PathError
	if errors.As(err, &exec) {
		return m.execFault(exec)
	}
	timeout := ctx.Err()
	c.kill()
	started := c.ID() != ""
	if started {
		<-c.drained
	}
	line := strings.TrimSpace(c.hello.line)
	switch {
	case !started && timeout != nil:
		return fmt.Errorf("start the process: %w", timeout)
	case !started:
		return fmt.Errorf("start the process: %w", err)
	case line != "" && !isHello(line):
		return fmt.Errorf("the process printed %.200q before the handshake: nothing may be written to the standard output before the plugin serves%s", line, c.lastLines())
	case errors.Is(timeout, context.DeadlineExceeded) && line == "":
		return fmt.Errorf("the process made no handshake in time%s", c.lastLines())
	case errors.Is(timeout, context.DeadlineExceeded):
		return fmt.Errorf("the process took no connection in time%s", c.lastLines())
	case timeout != nil:
		return fmt.Errorf("start the process: %w", timeout)
	case line == "":
		return fmt.Errorf("the process ended before the handshake: %s%s", c.how(), c.lastLines())
	}
	if v := strings.Split(line, "|"); v[0] != "1" || v[1] != fmt.Sprint(hostapi.ABIMajor) {
		return fmt.Errorf("the process speaks version %s of the plugin contract (handshake %s), this server speaks version %d (handshake 1)", v[1], v[0], hostapi.ABIMajor)
	}
	return fmt.Errorf("connect to the process: %w%s", err, c.lastLines())
}

// execFault says why a program could not be run at all.
func (m *module) execFault(err *fs.PathError) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		// The file itself was there a moment ago.
		return fmt.Errorf("the program %s cannot be run: what its first line names (#!…), or the system's loader, is not there", m.code.Program)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("the program %s cannot be run: it is for another system or processor, or a script without a first line #!…", m.code.Program)
	}
	return fmt.Errorf("the program %s cannot be run: %w", m.code.Program, err.Err)
}

// how says how the process ended.
func (c *child) how() string {
	if c.state != nil {
		return c.state.Error()
	}
	return "exit status 0"
}

// lastLines gives the end of what the process printed, for an error message.
func (c *child) lastLines() string {
	const most = 1 << 10
	text := strings.TrimSpace(c.out.text())
	if text == "" {
		return ""
	}
	if len(text) > most {
		text = "…" + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	return "; it printed: " + text
}
