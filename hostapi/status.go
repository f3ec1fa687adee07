package hostapi

// Status says how an operation ended, in either direction. Statuses are data: a
// crash has none. A call of a guest commits what it staged if and only if its
// status is OK.
type Status uint8

// The statuses.
const (
	OK          Status = iota // done
	Retry                     // not now: the same call may succeed later
	Failed                    // for good; an event goes to the dead-letter store
	Invalid                   // the input is wrong
	Forbidden                 // the capability is not granted, or its scope is too small
	Limit                     // more than the limits allow
	Unsupported               // this operation is not known here
	NotFound                  // what was asked for is not there
	Conflict                  // somebody else was faster, or it is there already
	Gone                      // it was there and will not come back
)

var statusNames = [...]string{
	OK: "ok", Retry: "retry", Failed: "failed", Invalid: "invalid", Forbidden: "forbidden", Limit: "limit",
	Unsupported: "unsupported", NotFound: "not_found", Conflict: "conflict", Gone: "gone",
}

// String gives the name that stands in answers, logs and metrics.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "unknown"
}

// ParseStatus reads what String wrote.
func ParseStatus(name string) (Status, bool) {
	for i, n := range statusNames {
		if n == name {
			return Status(i), true
		}
	}
	return 0, false
}

// HTTP gives the status of an HTTP answer for s. This is the one place where
// the two meet.
func (s Status) HTTP() int {
	switch s {
	case OK:
		return 200
	case Invalid:
		return 400
	case Forbidden:
		return 403
	case NotFound:
		return 404
	case Conflict:
		return 409
	case Gone:
		return 410
	case Limit:
		return 429
	case Unsupported:
		return 501
	case Retry:
		return 503
	default:
		return 500
	}
}
