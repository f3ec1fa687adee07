package wasm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// firstBuffer is the size of the input buffer that a guest is asked for at its
// start.
const firstBuffer = 64 << 10

// module is compiled code with an engine of its own.
type module struct {
	cache    wazero.CompilationCache // nil without a cache
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	limit    uint64 // bytes of an instance's linear memory
	size     int64
	log      *slog.Logger

	mu        sync.Mutex // taken after an instance's, never before
	closed    bool
	instances map[*instance]struct{} // whose memory is not given back
	empty     chan struct{}          // closed with the last of them; made by Close
}

var _ guest.Module = (*module)(nil)

var errModuleClosed = errors.New("the module is closed")

// Size is an estimate: wazero does not tell.
func (m *module) Size() int64 { return m.size }

// New makes an instance and runs the start of the guest.
func (m *module) New(ctx context.Context, h guest.Host) (guest.Instance, error) {
	i := &instance{module: m, host: h, born: time.Now(), out: output{log: m.log}}
	i.memory.limit = m.limit
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	i.calling, i.cancel = true, cancel
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil, errModuleClosed
	}
	m.instances[i] = struct{}{}
	m.mu.Unlock()

	if err := i.start(ctx); err != nil {
		return nil, fmt.Errorf("start the plugin: %w", err)
	}
	return i, nil
}

// forget is called by an instance whose memory is given back.
func (m *module) forget(i *instance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.instances, i)
	if m.empty != nil && len(m.instances) == 0 {
		close(m.empty)
		m.empty = nil
	}
}

// Close frees the code. Instances that are still there are closed first; code
// that one of them is running when ctx ends stays in memory.
func (m *module) Close(ctx context.Context) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	var left []*instance
	var empty chan struct{}
	for i := range m.instances {
		left = append(left, i)
	}
	if len(left) > 0 {
		empty = make(chan struct{})
		m.empty = empty
	}
	m.mu.Unlock()

	for _, i := range left {
		_ = i.Close(ctx) // never fails
	}
	if empty != nil {
		select {
		case <-empty:
		case <-ctx.Done():
			return fmt.Errorf("a call of the plugin does not end, its code stays in memory: %w", context.Cause(ctx))
		}
	}
	return m.release(context.WithoutCancel(ctx))
}

func (m *module) release(ctx context.Context) error {
	var faults []error
	if m.runtime != nil {
		faults = append(faults, m.runtime.Close(ctx))
	}
	if m.cache != nil {
		faults = append(faults, m.cache.Close(ctx))
	}
	return errors.Join(faults...)
}

// start makes the instance and runs what a guest does before its first call.
func (i *instance) start(ctx context.Context) (err error) {
	i.ctx = ctx
	i.out.begin()
	defer func() { err = i.finish(0, ctx, err) }()

	call := &callContext{Context: ctx, instance: i, values: experimental.WithMemoryAllocator(context.Background(), &i.memory)}
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	if i.mod, err = i.module.runtime.InstantiateModule(call, i.module.compiled, config); err != nil {
		return err
	}
	call.values = nil
	if start := i.mod.ExportedFunction(hostapi.ExportStart); start != nil {
		if _, err := start.Call(call); err != nil {
			return err
		}
	}
	version, err := i.mod.ExportedFunction(hostapi.ExportABI).Call(call)
	if err != nil {
		return err
	}
	if major, minor := hostapi.SplitVersion(int32(uint32(version[0]))); major != hostapi.ABIMajor {
		return badGuest(fmt.Sprintf("it is built for version %d.%d of the plugin contract: this server speaks %s", major, minor, hostapi.ABIName))
	}
	i.call, i.more = i.mod.ExportedFunction(hostapi.ExportCall), i.mod.ExportedFunction(hostapi.ExportBuffer)
	return i.buffer(call, firstBuffer)
}
