package web

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	failuresKept  = 4096 // addresses
	failuresBurst = 30
	failuresEvery = 2 * time.Second // one more is forgiven
)

// failures bounds how many wrong credentials one address may try. Right ones
// are not held up by it, as many clients share an address.
type failures struct {
	mu    sync.Mutex
	addrs *lru.Cache[string, *rate.Limiter]
	now   func() time.Time
}

func newFailures() *failures {
	addrs, err := lru.New[string, *rate.Limiter](failuresKept)
	if err != nil {
		panic(err) // the size is not below one
	}
	return &failures{addrs: addrs, now: time.Now}
}

// failed counts one failure and tells how long to wait when there were too
// many.
func (f *failures) failed(addr string) (wait time.Duration) {
	key := network(addr)
	f.mu.Lock()
	l, ok := f.addrs.Get(key)
	if !ok {
		l = rate.NewLimiter(rate.Every(failuresEvery), failuresBurst)
		f.addrs.Add(key, l)
	}
	f.mu.Unlock()
	if l.AllowN(f.now(), 1) {
		return 0
	}
	return failuresEvery
}

// network is what counts as one address: of IPv6 the /64, which one client has
// for itself.
func network(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	if p, err := ip.WithZone("").Prefix(64); err == nil {
		return p.String()
	}
	return addr
}

// seconds rounds up, as Retry-After has no parts of a second.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
