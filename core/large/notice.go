package large

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/takhost/takhost/hostapi/cot"
)

// holds is how long a notice holds: as long as ATAK's own offers of files
// (spec/tak-marti.md 7).
const holds = 100 * time.Second

// maxUID is the longest uid, in bytes, that the archive and an address take.
const maxUID = 1024

var errLongUID = errors.New("its uid is longer than 1024 bytes")

// Notice is what clients are told of an event, without the event: it is held
// where the event must not be.
type Notice struct {
	hash string // of the body, in hex
	size int64  // bytes of the body
	name string // of the file that it becomes
	path string
}

// Notice gives what clients are told of e. It works the hash out.
func (e *Event) Notice() (*Notice, error) {
	if len(e.UID) > maxUID {
		return nil, errLongUID
	}
	// The id makes sure that it is this event, though the uid may have a newer one
	// when it is fetched.
	path := "/Marti/api/cot/xml/" + segment(e.UID) + "?event=" + e.ID.String()
	if e.Key != "" {
		path += "&key=" + e.Key
	}
	return &Notice{hash: e.Hash(), size: e.Body.Len(), name: FileName(e.UID), path: path}, nil
}

// XML writes the event b-f-t-r by which clients learn where to fetch it, as the
// official server does (spec/tak-streaming.md 3). base is where they reach the
// server, without a slash at the end; from is who sent the event. No
// acknowledgement is asked for, as nobody waits for one.
func (n *Notice) XML(base, from string, now time.Time) (string, error) {
	xml, err := cot.NewEvent(uuid.NewString(), "b-f-t-r", "h-e", now, holds).
		Point(0, 0, cot.Unknown, cot.Unknown, cot.Unknown).
		Start("detail").
		Start("fileshare").Attr("filename", n.name).Attr("senderUrl", base+n.path).AttrInt("sizeInBytes", n.size).
		Attr("sha256", n.hash).Attr("senderUid", n.hash).Attr("senderCallsign", clip(from, 200)).Attr("name", n.name).End().
		Start("marti").End().
		String()
	if err != nil {
		return "", fmt.Errorf("write the notice of an event: %w", err)
	}
	return xml, nil
}

// segment escapes a part of a path. Clients take dots alone for another folder.
func segment(s string) string {
	if strings.Trim(s, ".") == "" {
		return strings.Repeat("%2E", len(s))
	}
	return url.PathEscape(s)
}

// FileName makes the name of a file of a uid that every system of the clients
// takes.
func FileName(uid string) string {
	name := strings.Map(func(r rune) rune {
		if r == utf8.RuneError || strings.ContainsRune(`/\:*?"<>|`, r) || !unicode.IsGraphic(r) {
			return '_'
		}
		return r
	}, uid)
	name = strings.Trim(clip(name, 120), ". ")
	base, _, _ := strings.Cut(name, ".")
	if name == "" || isDevice(strings.ToUpper(strings.TrimSpace(base))) {
		name = "_" + name
	}
	return name + ".cot"
}

// isDevice says whether Windows takes the name for a device, whatever follows a
// dot in it.
func isDevice(name string) bool {
	switch name {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	port, ok := strings.CutPrefix(name, "COM")
	if !ok {
		port, ok = strings.CutPrefix(name, "LPT")
	}
	return ok && len(port) == 1 && port[0] >= '0' && port[0] <= '9'
}

// clip cuts s to at most n bytes, not inside a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
