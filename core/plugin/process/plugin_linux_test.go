package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/native"
)

// The test program is also the plugin that it starts, and the server whose end a
// plugin must not survive.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 2 && os.Args[1] == Subcommand:
		os.Exit(pluginMain(os.Args[2]))
	case len(os.Args) > 2 && os.Args[1] == "server":
		os.Exit(serverMain())
	case len(os.Args) > 3 && os.Args[1] == "runner":
		if err := runnerMain(os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(run(m))
}

// pluginMain is a plugin that starts in the way named.
func pluginMain(way string) int {
	switch way {
	case "exit":
		fmt.Fprintln(os.Stderr, "there is no such table")
		return 3
	case "stray":
		fmt.Println("hello, world")
	case "silent":
		select {}
	case "version":
		fmt.Println("1|7|unix|/nowhere|grpc|")
		select {}
	case "core version":
		fmt.Println("2|1|unix|/nowhere|grpc|")
		select {}
	case "nobody listens":
		fmt.Println("1|1|unix|/nowhere|grpc|")
		select {}
	case "net/rpc":
		fmt.Println("1|1|unix|/nowhere|netrpc|")
		select {}
	case "other service", "garbage", "unasked", "ends", "status", "deaf":
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig: plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: hostapi.ProcessCookieKey, MagicCookieValue: hostapi.ProcessCookieValue},
			Plugins:         plugin.PluginSet{"plugin": badService{way: way}},
			GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
				return grpc.NewServer(append(o, grpc.ForceServerCodecV2(rawCodec{encoding.GetCodecV2("proto")}))...)
			},
		})
		return 0
	}
	if err := native.ServeHandler(&handler{release: make(chan struct{}), results: make(chan string, 100)}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// handler does what the payload of a call says.
type handler struct {
	release chan struct{}
	results chan string
	eaten   [][]byte
}

func (h *handler) Serve(host sdk.Host, op hostapi.GuestOp, in, dst []byte) ([]byte, hostapi.Status) {
	what, arg, _ := strings.Cut(string(in), " ")
	n, _ := strconv.Atoi(arg)
	say := func(format string, args ...any) ([]byte, hostapi.Status) {
		return fmt.Appendf(dst, format, args...), hostapi.OK
	}
	switch what {
	case "echo":
		return append(dst, arg...), hostapi.OK
	case "status":
		return append(dst, "text"...), hostapi.Status(n)
	case "calls":
		for range n {
			if out, s := host.Call(hostapi.HostClock, []byte("in"), nil); s != hostapi.OK {
				return say("%s %s", s, out)
			}
		}
		return say("%d calls", n)
	case "crowd": // many goroutines ask at once
		var all sync.WaitGroup
		sum := make(chan int, n)
		for k := range n {
			all.Go(func() {
				out, s := host.Call(hostapi.HostClock, []byte(strconv.Itoa(k)), nil)
				if got, _ := strconv.Atoi(string(out)); s == hostapi.OK && got == k {
					sum <- 1
				}
			})
		}
		all.Wait()
		return say("%d right answers", len(sum))
	case "late": // a goroutine goes on asking after the answer
		go func() {
			for {
				if out, s := host.Call(hostapi.HostClock, nil, nil); s != hostapi.OK {
					var m wire.Error
					_ = m.Decode(out)
					h.results <- s.String() + " " + m.Message
					return
				}
			}
		}()
	case "linger": // a goroutine asks during the next call
		go func() {
			<-h.release
			_, s := host.Call(hostapi.HostClock, nil, nil)
			h.results <- s.String()
		}()
	case "release":
		close(h.release)
		return say("%s", <-h.results)
	case "result":
		return say("%s", <-h.results)
	case "panic":
		go panic("boom in a goroutine")
		select {}
	case "exit":
		os.Exit(n)
	case "hang":
		select {}
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {} // the signal stops all threads a moment later
	case "eat":
		for {
			b := make([]byte, 1<<20)
			for k := range b {
				b[k] = byte(k)
			}
			h.eaten = append(h.eaten, b)
		}
	case "print":
		fmt.Println(arg)
		fmt.Fprintln(os.Stderr, arg)
	case "flood":
		go func() {
			for {
				fmt.Fprintln(os.Stderr, strings.Repeat("x", 200))
			}
		}()
		go func() {
			for {
				fmt.Println(strings.Repeat("y", 200))
			}
		}()
	case "env":
		env := os.Environ()
		slices.Sort(env)
		return say("%s", strings.Join(env, "\n"))
	case "pid":
		return say("%d", os.Getpid())
	case "children":
		pid := 0
		for range n {
			c := exec.Command("/bin/sleep", "1000")
			if err := c.Start(); err != nil {
				return say("%v", err)
			}
			pid = c.Process.Pid
		}
		return say("%d", pid)
	case "files":
		var all []*os.File
		for {
			f, err := os.Open("/dev/null")
			if err != nil {
				return say("%d %v", len(all), errors.Is(err, syscall.EMFILE))
			}
			all = append(all, f)
		}
	}
	return dst, hostapi.OK
}
