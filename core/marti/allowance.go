package marti

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
)

// How many certificates somebody may get. Each is kept until long after its end,
// and signing one costs next to nothing: without a bound anybody with an account
// could fill memory and disk, with one device or with many that there are not.
const (
	// perDevice is far above what retries on a bad link need.
	perDevice = 20
	// perUser is for an account that a whole team enrols by. A code bounds its
	// devices by itself.
	perUser = 500
	// inTime is the time in which these are counted.
	inTime = 24 * time.Hour
	// perUserEver counts all that are kept, those that have ended as well.
	perUserEver = 10_000
)

// mayGetOne refuses another certificate to somebody who got too many of late.
func (c *call) mayGetOne(user, clientUID string) error {
	now := c.Now()
	byCode := false
	if g := web.GrantOf(c); g != nil {
		byCode = g.Enrolment != ""
	}
	device, all, ever := 0, 0, 0
	wait := inTime
	for _, cert := range c.Identity.Certificates(identity.CertificateFilter{User: user, Kind: identity.KindEnrolled}) {
		ever++
		age := now.Sub(cert.Issued)
		if age > inTime {
			continue
		}
		all++
		if cert.ClientUID == clientUID {
			device++
		}
		wait = min(wait, inTime-age)
	}
	switch {
	case device >= perDevice:
		return c.tooMany(wait, fmt.Sprintf("this device got %d certificates in %v", device, inTime))
	case !byCode && all >= perUser:
		return c.tooMany(wait, fmt.Sprintf("%s got %d certificates in %v", user, all, inTime))
	case ever >= perUserEver:
		return c.tooMany(inTime, fmt.Sprintf("%s has %d certificates", user, ever))
	}
	return nil
}

func (c *call) tooMany(wait time.Duration, why string) error {
	c.w.Header().Set("Retry-After", seconds(max(wait, time.Minute)))
	c.Log.Warn("certificate refused: too many were given out", slog.String("why", why), slog.String("addr", web.AddrOf(c)))
	return faultf(http.StatusTooManyRequests, "%s: too many", why)
}
