package onboard

import (
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Link is what ATAK opens by a tap or by the camera: it enrols after a question.
// ATAK ignores a link without one of the three values. The port of enrolment is
// not in it: where that is not 8446, only a package tells it. What ATAK then
// trusts are the public authorities and those it has got by packages before.
func Link(r Reach, user, token string) string {
	host := r.Host
	if r.Stream != 0 && r.Stream != usualStream {
		host += ":" + strconv.Itoa(r.Stream) + ":ssl"
	}
	return "tak://com.atakmap.app/enroll?host=" + query(host) + "&username=" + query(user) + "&token=" + query(token)
}

// ImportLink has ATAK fetch a file and import it. ATAK checks the certificate of
// the file's server as with Link.
func ImportLink(file string) string {
	return "tak://com.atakmap.app/import?url=" + query(file)
}

// query escapes a value, a space as %20: Android reads a plus sign as one.
func query(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// ITAKText is what iTAK's scanner takes for a server. It then asks for user name
// and password, and enrols at port 8446 by a publicly trusted certificate. The
// form has no quoting, and scanners guess the encoding of what is not ASCII: a
// name that does not get through unharmed gives way to the host.
func ITAKText(r Reach) string {
	name := strings.TrimSpace(strings.Map(func(c rune) rune {
		if c == ',' || c == '"' {
			return ' '
		}
		return c
	}, r.Title()))
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c > '~' }) {
		name = r.Host
	}
	return name + "," + r.Host + "," + strconv.Itoa(r.Stream) + ",SSL"
}

// LandingURL is the address of the landing page for an enrolment's secret, the
// one thing that a QR code for all phones needs to hold.
func LandingURL(r Reach, secret string) string {
	u := url.URL{Scheme: "https", Host: r.Host, Path: LandingPath + secret}
	if r.Enrol != 443 {
		u.Host = net.JoinHostPort(r.Host, strconv.Itoa(r.Enrol))
	}
	return u.String()
}

// LandingPath is before the secret in the path of a landing page.
const LandingPath = "/enrol/"
