package identity

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// start is when the tests take place.
var start = time.Date(2026, 3, 4, 12, 30, 0, 0, time.UTC)

// admin does what the tests do.
var admin = Actor{User: "root", Addr: "127.0.0.1", Via: "cli"}

// bed is a Service with what it works with.
type bed struct {
	*Service
	t     testing.TB
	store *memory
	sets  *route.Groups
	clock *clock
	log   *lines
	told  *told
}

// newBed opens a Service over a store in memory; with changes the options.
func newBed(t testing.TB, changes ...func(*Options)) *bed {
	t.Helper()
	b := &bed{
		t: t, store: newMemory(), clock: &clock{at: start}, log: &lines{}, told: &told{},
		sets: route.NewGroups(nil, func(hostapi.SetID, []hostapi.GroupID) error { return nil }),
	}
	b.open(changes...)
	return b
}

// open opens the Service, again with what is stored.
func (b *bed) open(changes ...func(*Options)) {
	b.t.Helper()
	opt := Options{
		Store: b.store, Sets: b.sets, Now: b.clock.now, Log: slog.New(slog.NewTextHandler(b.log, nil)),
		OnChange: b.told.add, Key: func(context.Context) (*rsa.PrivateKey, error) { return testKey(), nil },
	}
	for _, change := range changes {
		change(&opt)
	}
	s, err := Open(b.t.Context(), opt)
	if err != nil {
		b.t.Fatalf("Open: %v", err)
	}
	b.Service = s
}

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// quickHash is of the password "correct horse", at a price for tests. A login
// replaces it by one of the full price.
var quickHash = (&argonHash{memory: 8, time: 1, threads: 1, salt: []byte("salt of tests"), key: argonOf("correct horse")}).String()

const password = "correct horse"

func (b *bed) addUser(name string, changes ...func(*NewUser)) User {
	b.t.Helper()
	u := NewUser{User: User{Name: name}, PasswordHash: quickHash}
	for _, change := range changes {
		change(&u)
	}
	got, err := b.AddUser(b.t.Context(), admin, u)
	if err != nil {
		b.t.Fatalf("AddUser(%s): %v", name, err)
	}
	return got
}

func withRoles(roles ...string) func(*NewUser) { return func(u *NewUser) { u.Roles = roles } }

func withGroups(names ...string) func(*NewUser) {
	return func(u *NewUser) {
		for _, n := range names {
			u.Groups = append(u.Groups, Membership{Group: n, In: true, Out: true})
		}
	}
}

func (b *bed) addGroups(names ...string) {
	b.t.Helper()
	for _, n := range names {
		if _, err := b.AddGroup(b.t.Context(), admin, n, ""); err != nil {
			b.t.Fatalf("AddGroup(%s): %v", n, err)
		}
	}
}

// groupsOf names the groups of a set.
func (b *bed) groupsOf(set hostapi.SetID) []string {
	names := []string{}
	for _, id := range b.sets.Members(set) {
		for name, known := range b.sets.Names() {
			if known == id {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, what string, err error, want store.Code) {
	t.Helper()
	if got := store.CodeOf(err); got != want {
		t.Errorf("%s: got error %v of code %q, want code %q", what, err, got, want)
	}
}

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// told keeps the changes.
type told struct {
	mu  sync.Mutex
	all []Change
}

func (o *told) add(c Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, c)
}

// take gives the changes since the last call.
func (o *told) take() []Change {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.all
	o.all = nil
	return all
}

// lines is a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count(text string) int { return strings.Count(l.String(), text) }

// memory is a store in memory that fails when it is told to.
type memory struct {
	mu      sync.Mutex
	records map[recordKey][]byte
	audit   []store.AuditEntry
	fail    error // of the next changes
	done    bool  // those that fail take place all the same
}

var _ Store = (*memory)(nil)
var _ Store = (*store.Store)(nil)
var _ Sets = (*route.Groups)(nil)

func newMemory() *memory { return &memory{records: map[recordKey][]byte{}} }

func (m *memory) Records(context.Context) ([]store.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []store.Record
	for k, body := range m.records {
		all = append(all, store.Record{Kind: k.kind, ID: k.id, Body: slices.Clone(body)})
	}
	return all, nil
}

func (m *memory) ChangeRecords(ctx context.Context, put, remove []store.Record, audit []store.AuditEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.fail == nil || m.done {
		for _, r := range remove {
			delete(m.records, recordKey{r.Kind, r.ID})
		}
		for _, r := range put {
			m.records[recordKey{r.Kind, r.ID}] = slices.Clone(r.Body)
		}
		m.audit = append(m.audit, audit...)
	}
	return m.fail
}

func (m *memory) failing(err error, done bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.done = err, done
}

func (m *memory) AddAudit(_ context.Context, audit []store.AuditEntry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.audit = append(m.audit, audit...)
	return m.fail
}

func (m *memory) Audit(context.Context, store.AuditQuery) (store.AuditPage, error) {
	return store.AuditPage{}, errors.New("not asked for")
}

func (m *memory) PruneAudit(_ context.Context, before time.Time) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.audit)
	m.audit = slices.DeleteFunc(m.audit, func(e store.AuditEntry) bool { return e.At.Before(before) })
	return int64(n - len(m.audit)), nil
}

// actions lists action, subject and detail of the audit since the last call.
func (m *memory) actions() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []string{}
	for _, e := range m.audit {
		all = append(all, strings.TrimSuffix(e.Action+" "+e.Subject+": "+e.Detail, ": "))
	}
	m.audit = nil
	return all
}

func (m *memory) snapshot() map[recordKey][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.records)
}

// authority signs certificates for the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotBefore: start, NotAfter: start.AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{cert: cert, key: key, next: 0xA000}
}

func (a *authority) issue(t testing.TB, cn string, from time.Time, life time.Duration, channels bool) *x509.Certificate {
	t.Helper()
	a.next++
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(a.next), Subject: pkix.Name{CommonName: cn}, NotBefore: from, NotAfter: from.Add(life)}
	if channels {
		tmpl.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 840, 113549, 1, 9, 7}}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &a.key.PublicKey, a.key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return cert
}
