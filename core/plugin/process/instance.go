package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/takhost/takhost/core/plugin/guest"
)

// instance is a running process and its stream.
//
// Three goroutines belong to it, from run to Close: one reads the stream, one
// watches the memory, one waits for the process's end. A fourth serves a call:
// that of whoever calls.
type instance struct {
	dir    string // private folder
	memory int64
	host   guest.Host
	child  *child
	client *plugin.Client    // nil before the start
	stream grpc.ClientStream // nil before it is open
	cancel context.CancelFunc

	sending sync.Mutex // a stream takes one message at a time
	work    sync.WaitGroup

	turn  sync.Mutex // one call at a time
	calls uint64     // number of the last one; for who has the turn
	out   []byte     // answers of the host; for who has the turn

	mu     sync.Mutex
	now    *call // the call under way
	reason guest.Reason
	err    error         // why it died
	dead   chan struct{} // reason and err are set

	closing sync.Once
	closed  chan struct{}
}

var _ guest.Instance = (*instance)(nil)

func newInstance(m *module, dir string, c *child, h guest.Host) *instance {
	return &instance{
		dir: dir, memory: m.code.Memory, host: h, child: c, cancel: func() {},
		dead: make(chan struct{}), closed: make(chan struct{}),
	}
}

// open opens the stream, which also brings the connection up. The stream lives
// beyond ctx, which bounds the opening.
func (i *instance) open(ctx context.Context, conn *grpc.ClientConn) error {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	i.cancel = cancel
	stop := context.AfterFunc(ctx, cancel)
	defer stop()
	desc := &grpc.StreamDesc{StreamName: "Session", ServerStreams: true, ClientStreams: true}
	stream, err := conn.NewStream(life, desc, sessionMethod,
		grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(maxFrame), grpc.MaxCallSendMsgSize(maxFrame))
	if err != nil {
		return err
	}
	i.stream = stream
	return nil
}

// run starts the goroutines of an instance whose stream is open.
func (i *instance) run() {
	i.work.Go(i.read)
	i.work.Go(i.watch)
	i.work.Go(func() {
		<-i.child.exited
		i.die(guest.Exited, errors.New(i.child.how()))
	})
}

// die ends the instance, for the first reason that comes up.
func (i *instance) die(reason guest.Reason, err error) {
	i.mu.Lock()
	if i.reason != "" {
		i.mu.Unlock()
		return
	}
	i.reason, i.err = reason, err
	close(i.dead)
	if i.now != nil {
		i.now.cancel(errDead)
	}
	i.mu.Unlock()
	i.child.kill()
}

var errDead = errors.New("the process that asked is gone")

// watch looks after the process's resources: its own memory often, as a process
// can take a gigabyte in a second, and that of all it has started now and then.
func (i *instance) watch() {
	const often, nowAndThen = 100 * time.Millisecond, 10
	pid := i.child.cmd.Process.Pid
	tick := time.NewTicker(often)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-i.dead:
			return
		case <-tick.C:
		}
		memory, processes := resident(pid), 1
		if n%nowAndThen == 0 {
			memory, processes = usage(pid)
		}
		switch {
		case memory > i.memory:
			i.die(guest.Memory, fmt.Errorf("has %d MiB of memory, %d MiB are allowed", memory>>20, i.memory>>20))
		case processes > maxProcesses:
			i.die(guest.Memory, fmt.Errorf("has started more than %d processes", maxProcesses))
		}
	}
}

// Memory is the resident memory of the process and of what it has started.
func (i *instance) Memory() int64 {
	select {
	case <-i.dead:
		return 0
	default:
		memory, _ := usage(i.child.cmd.Process.Pid)
		return memory
	}
}

// Close ends the process with its group and waits until nothing is left of it.
func (i *instance) Close(context.Context) error {
	i.closing.Do(func() {
		defer close(i.closed)
		i.die(guest.Closed, errors.New("the instance was closed"))
		if i.child.ID() != "" {
			<-i.child.drained
		}
		i.cancel()
		if i.client != nil {
			// The process is dead, so this only frees what go-plugin holds.
			i.client.Kill()
		}
		i.child.ended()
		i.work.Wait()
		i.child.gate.close()
	})
	<-i.closed
	return os.RemoveAll(i.dir)
}
