package process

import (
	"errors"
	"runtime"
)

// forker starts processes from one thread that lives as long as the runtime.
// Linux sends a process its death signal when the thread that started it ends,
// not when the whole program does, and Go ends threads as it likes.
type forker struct {
	work chan func()
	quit chan struct{}
	done chan struct{}
}

func newForker() *forker {
	f := &forker{work: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
	go f.run()
	return f
}

func (f *forker) run() {
	defer close(f.done)
	// It is never unlocked: the thread ends here, since nothing else is to run with
	// its priority.
	runtime.LockOSThread()
	giveWay()
	for {
		select {
		case w := <-f.work:
			w()
		case <-f.quit:
			return
		}
	}
}

var errRuntimeClosed = errors.New("the runtime is closed")

// do runs start on the thread and waits for it.
func (f *forker) do(start func() error) error {
	result := make(chan error, 1)
	select {
	case f.work <- func() { result <- start() }:
		return <-result
	case <-f.done:
		return errRuntimeClosed
	}
}

// close ends the thread's work. It is called once.
func (f *forker) close() {
	close(f.quit)
	<-f.done
}
