package store

import (
	"context"
	"errors"
	"sync"
)

const (
	// A transaction takes up to groupWorks Works and, beyond the first, groupRows
	// documents that they read or write: some 100 ms of work.
	groupWorks = 256
	groupRows  = 4096
)

// commitQueue holds the Works that wait for the committer. One goroutine takes
// all that have come while it was busy, of all plugins, into one transaction, as
// the sync of the disk at its end costs more than the rows do.
type commitQueue struct {
	p    *Plugins
	wake chan struct{} // capacity 1
	once sync.Once     // closes p.abort

	mu      sync.Mutex // guards what follows
	waiting []*commitRequest
	taken   int // Works that the committer has taken so far
	closed  bool
	ended   chan struct{} // closed when the goroutine has ended
}

type commitRequest struct {
	w    *Work
	done chan struct{} // closed when the outcome is known
	out  Committed
	err  error
}

func newCommitQueue(p *Plugins) *commitQueue {
	return &commitQueue{p: p, wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

// commit waits for the outcome of w. Only a Work that the committer has not yet
// taken is withdrawn when ctx ends.
func (q *commitQueue) commit(ctx context.Context, w *Work) (Committed, error) {
	if err := ctx.Err(); err != nil {
		return Committed{}, withdrawn(err)
	}
	r := &commitRequest{w: w, done: make(chan struct{})}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return Committed{}, &Error{Code: Unavailable, Msg: "commit: the store is closed"}
	}
	q.waiting = append(q.waiting, r)
	q.mu.Unlock()
	poke(q.wake)
	select {
	case <-r.done:
		return r.out, r.err
	case <-ctx.Done():
	}
	if q.withdraw(r) {
		return Committed{}, withdrawn(ctx.Err())
	}
	<-r.done
	return r.out, r.err
}

func withdrawn(err error) error {
	return &Error{Code: Unavailable, Msg: "commit: given up before it began, nothing is written", Err: err}
}

func (q *commitQueue) withdraw(r *commitRequest) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.waiting {
		if q.waiting[i] == r {
			q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// take gives the Works of the next transaction; none when nothing waits.
func (q *commitQueue) take() (group []*commitRequest, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, rows := 0, 0
	for n < len(q.waiting) && n < groupWorks {
		w := q.waiting[n].w
		rows += len(w.docs) + len(w.reads)
		if n > 0 && rows > groupRows {
			break
		}
		n++
	}
	group = append(group, q.waiting[:n]...)
	q.taken += n
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	return group, q.closed
}

// run commits what waits until the queue is closed and empty.
func (q *commitQueue) run() {
	defer close(q.ended)
	for {
		group, closed := q.take()
		if len(group) == 0 {
			if closed {
				return
			}
			<-q.wake
			continue
		}
		q.p.commitGroup(group)
		for _, r := range group {
			close(r.done)
		}
	}
}

// close refuses further Works and waits until those that came before are
// committed. When ctx ends first, the database is cut off, and they fail.
func (q *commitQueue) close(ctx context.Context) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	poke(q.wake)
	select {
	case <-q.ended:
	case <-ctx.Done():
		q.once.Do(func() { close(q.p.abort) })
		q.p.db.abort()
		<-q.ended
	}
}

// commitGroup commits Works in one transaction, as far as their checks allow, and
// notes the outcome of each. When the database refuses a statement, which the
// checks should have foreseen, they are committed one by one.
func (p *Plugins) commitGroup(group []*commitRequest) {
	p.writing.Lock()
	defer p.writing.Unlock()
	err := p.tryGroup(group)
	if err == nil {
		return
	}
	if len(group) > 1 && faultOf(err) == faultRow {
		for i := range group {
			one := group[i : i+1]
			if err := p.tryGroup(one); err != nil {
				one[0].fail(err)
			}
		}
		return
	}
	for _, r := range group {
		r.fail(err)
	}
}

func (r *commitRequest) fail(err error) {
	r.out, r.err = Committed{}, &Error{Code: CodeOf(translate(err)), Msg: "commit", Err: err}
}

// tryGroup is commitGroup again and again while it meets dead connections. An
// error is that of all Works.
func (p *Plugins) tryGroup(group []*commitRequest) (err error) {
	for range staleTries {
		if err = p.oneGroup(group); err == nil || errors.Is(err, ErrOutcome) || !isGone(err) {
			break
		}
	}
	return err
}

func (p *Plugins) oneGroup(group []*commitRequest) error {
	t, err := p.begin(len(group))
	if err != nil {
		return err
	}
	g := newGroup(t)
	for _, r := range group {
		r.out, r.err = Committed{}, nil
		g.want(r.w)
	}
	if err := g.load(); err != nil {
		t.rollback()
		return err
	}
	passed := 0
	first := t.last - uint64(len(group)) + 1
	for i, r := range group {
		if r.err = g.check(r.w); r.err == nil {
			r.out = g.apply(r.w, first+uint64(i))
			passed++
		}
	}
	if passed == 0 {
		t.rollback()
		return nil
	}
	if err := g.write(); err != nil {
		t.rollback()
		return err
	}
	if p.hook != nil {
		p.hook(false)
	}
	if err := t.commit(); err != nil {
		return err
	}
	if p.hook != nil {
		p.hook(true)
	}
	p.remember(g)
	return nil
}
