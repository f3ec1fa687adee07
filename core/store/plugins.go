package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// Owner is the plugin that a step of a Work is done for. It does not change
// while a Work uses it; many may use one at once.
type Owner struct {
	Plugin      string
	Data        uint32                // version of the documents it writes
	Collections []manifest.Collection // with their indexes
	Quota       int64                 // bytes of its documents: ids, bodies and keys; 0: no bound
	BlobQuota   int64                 // bytes of the files it keeps; 0: no bound
}

// Document is one document of a plugin's collection.
type Document struct {
	Collection string
	ID         string
	Body       []byte
	Data       uint32        // version of the plugin's documents when it was written
	Revision   uint64        // rises with each write; 0: staged, not committed yet
	Set        hostapi.SetID // groups that may see it; 0: not bound to groups
	Modified   time.Time     // when it was committed; of a staged one, when it was put
	Key        []byte        // out of a query by index: the key it was found by
}

// Key is a document's place in one index, as package hostapi/index writes it.
type Key struct {
	Index string
	Key   []byte
}

// Visible says whether a reader may see what is bound to a set of groups. Nil
// sees everything; what is bound to no set is not asked for.
type Visible func(hostapi.SetID) bool

func (v Visible) sees(set hostapi.SetID) bool { return v == nil || set == 0 || v(set) }

// DocQuery asks for documents in the order of an index, those of equal keys in
// the order of their ids, or in the order of ids: bytes compare in both cases.
type DocQuery struct {
	Collection string
	Index      string // empty: by id
	From, To   []byte // keys, or ids, from this one on and before that one; empty: no bound
	Descending bool
	Limit      int    // documents of a page: 1 to hostapi.MaxPage; 0: hostapi.DefaultPage
	After      string // Next of the page before
	Count      bool   // only count what is between From and To
	NoBodies   bool
	Visible    Visible
}

// DocPage is one page of a query. It shows one moment of the database, and over
// it what the Work has staged.
type DocPage struct {
	Documents []Document
	Count     uint64 // with DocQuery.Count; there are no documents then

	// Next gives the following page. It is empty when nothing follows. It may be
	// set on a short or even empty page: a page ends at 1 MiB of bodies and when
	// it has looked at 20,000 documents that the reader may not see.
	Next string
}

// Topic is a set of members under a name that no other plugin may use.
type Topic struct {
	Plugin   string
	Name     string
	Members  []TopicMember // in the order of user and client, none twice
	Revision uint64        // rises with each change; of two states the higher one is newer
	Dropped  bool          // in Committed: it is no more
}

// TopicMember is a user, a client uid, or both together. The client "*" are the
// user's connections that never report a position.
type TopicMember struct {
	User, Client string
	MayPublish   bool
}

// Alias is a name that senders write and the topics it stands for.
type Alias struct {
	Plugin   string
	Name     string
	Topics   []string // none: it is removed
	Revision uint64
}

// Timer is when a plugin is to be called.
type Timer struct {
	Plugin    string
	Name      string
	Due       time.Time     // whole µs
	Every     time.Duration // after Due; 0: once
	Data      []byte
	Revision  uint64 // rises with each change; of two states the higher one is newer; 0: staged, not committed yet
	Cancelled bool   // in Committed: it is no more
}

// Committed says what a commit has changed outside of documents.
type Committed struct {
	Topics    []Topic // new state of each, with all members
	Aliases   []Alias
	Timers    []Timer
	Documents int // documents put or deleted
}

// Plugins keeps what belongs to plugins: documents and counters, timers, topics,
// cursors, dead letters, settings. All methods are safe for concurrent use.
type Plugins struct {
	db      *database
	log     *slog.Logger
	now     func() time.Time
	session string               // names this server in commit_marks; with PostgreSQL
	queue   *commitQueue         // its goroutine runs from start to close
	abort   chan struct{}        // closed when close does not wait any longer
	hook    func(committed bool) // of tests: called before and after the commit of a group

	maxLetters, maxLetterBytes int64 // of a plugin

	room  blobRoom // of all files
	holds *holds

	writing sync.Mutex                  // held from the begin of a transaction to its end; taken before mu
	writers map[*rowStatement]*sql.Stmt // prepared for transactions, nil when used but not prepared yet; guarded by writing

	mu      sync.Mutex // guards what follows
	readers map[*rowStatement]*sql.Stmt
	used    map[string]int64 // bytes of the documents of plugins, as last committed or read
	reindex map[string]*Reindex
}

// Plugins gives the part of the store that belongs to plugins.
func (s *Store) Plugins() *Plugins { return s.plugins }

func newPlugins(ctx context.Context, d *database, opt *Options) (*Plugins, error) {
	p := &Plugins{
		db: d, log: opt.Log, now: opt.Now, abort: make(chan struct{}), hook: opt.test.commitHook, maxLetters: opt.test.letters, maxLetterBytes: opt.test.letterBytes,
		holds: newHolds(opt.test.elapsed), writers: map[*rowStatement]*sql.Stmt{}, readers: map[*rowStatement]*sql.Stmt{}, used: map[string]int64{}, reindex: map[string]*Reindex{},
	}
	p.queue = newCommitQueue(p)
	if d.sqlite {
		return p, nil
	}
	// A server that died has left its mark; a week later nobody asks for it.
	p.session = rand.Text()
	now := p.now()
	err := d.with(ctx, d.write, func(c bun.Conn) error {
		_, err := c.Conn.ExecContext(ctx, "DELETE FROM commit_marks WHERE seen < $1", now.Add(-7*24*time.Hour).UnixMicro())
		if err != nil {
			return err
		}
		_, err = c.Conn.ExecContext(ctx, "INSERT INTO commit_marks (session, revision, seen) VALUES ($1, 0, $2) ON CONFLICT DO NOTHING", p.session, now.UnixMicro())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: enter this server: %w", d.name, err)
	}
	return p, nil
}

func (p *Plugins) start() { go p.queue.run() }

// close commits what waits and ends the goroutine. When ctx ends first, the rest
// fails.
func (p *Plugins) close(ctx context.Context) {
	p.queue.close(ctx)
	if !p.db.sqlite && ctx.Err() == nil {
		_ = p.db.with(ctx, p.db.write, func(c bun.Conn) error { // somebody else removes it otherwise
			_, err := c.Conn.ExecContext(ctx, "DELETE FROM commit_marks WHERE session = $1", p.session)
			return err
		})
	}
	// The statements end with their pools.
}

// Usage is what a plugin keeps.
type Usage struct {
	Documents int64
	Bytes     int64  // as Owner.Quota counts them
	Data      uint32 // highest data version written as long as there are documents
	Letters   int64  // dead letters
	Blobs     int64  // files that it keeps
	BlobBytes int64  // of these, each counted once
}

// Usage tells how much the plugin keeps.
func (p *Plugins) Usage(ctx context.Context, plugin string) (Usage, error) {
	var u usageRow
	err := p.find(ctx, &selectUsage, 1, nameArgs([]string{plugin}), func(rows *sql.Rows) error {
		return u.scan(rows, new(string))
	})
	if err != nil {
		return Usage{}, fmt.Errorf("read what plugin %s keeps: %w", plugin, err)
	}
	return u.Usage, nil
}

// DataVersion gives the highest data version with which the plugin has written
// documents, as long as it has any; 0 without documents.
func (p *Plugins) DataVersion(ctx context.Context, plugin string) (uint32, error) {
	u, err := p.Usage(ctx, plugin)
	return u.Data, err
}

// usedBytes gives the bytes of the plugin's documents without asking the database
// each time.
func (p *Plugins) usedBytes(ctx context.Context, plugin string) (int64, error) {
	p.mu.Lock()
	used, ok := p.used[plugin]
	p.mu.Unlock()
	if ok {
		return used, nil
	}
	u, err := p.Usage(ctx, plugin)
	if err != nil {
		return 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if newer, ok := p.used[plugin]; ok {
		return newer, nil
	}
	p.used[plugin] = u.Bytes
	return u.Bytes, nil
}

// remember keeps the sums that a transaction has committed. The caller holds
// p.writing.
func (p *Plugins) remember(g *group) {
	p.countBlobs(g)
	p.mu.Lock()
	defer p.mu.Unlock()
	for plugin, u := range g.usage {
		p.used[plugin] = u.Bytes
	}
}
