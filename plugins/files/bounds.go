package main

import (
	"strings"
	"unicode"

	"github.com/takhost/takhost/sdk"
)

// Bounds of what is kept of one file.
const (
	maxText        = 255          // bytes of a name, a uid, a keyword
	maxRemarks     = 8 << 10      // bytes
	maxDescription = 8 << 10      // bytes of all texts of one file but its hash
	maxList        = 100          // keywords, groups, contacts
	maxExpiry      = 253402300799 // the end of the year 9999, in seconds since 1970
)

// mostCopies bounds the uploads of one content that one user has, under other names or
// for other groups, so that a change or a deletion of it by its hash fits one call.
const mostCopies = 50

// check refuses what describes a file when it is too long together, so that a thousand
// files fit into memory, and characters that would become others' lines and headers.
func (f *file) check() error {
	if n := f.weight() - len(f.hash); n > maxDescription {
		most, size := "", 0
		for name, n := range f.sizes() {
			if n > size || n == size && name < most {
				most, size = name, n
			}
		}
		return sdk.Invalidf("what describes the file has %d bytes together, at most %d are possible: most of it is %s with %d", n, maxDescription, most, size)
	}
	for name, s := range map[string]string{"uid": f.uid, "tool": f.tool, "creatorUid": f.creator, "downloadPath": f.path, "missionName": f.mission} {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return sdk.Invalidf("%s: has a control character", name)
		}
	}
	for name, l := range map[string][]string{"keywords": f.keywords, "permissions": f.permissions, "contacts": f.contacts} {
		for _, s := range l {
			if strings.ContainsFunc(s, unicode.IsControl) {
				return sdk.Invalidf("%s: one has a control character", name)
			}
		}
	}
	if strings.ContainsFunc(f.remarks, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' }) {
		return sdk.Invalidf("remarks: have a control character")
	}
	if uid := strings.ToLower(f.uid); isHash(uid) && uid != f.hash {
		return sdk.Invalidf("uid: it is the SHA-256 of another file")
	}
	return nil
}

// sizes is how much each text has, for a message.
func (f *file) sizes() map[string]int {
	total := func(l []string) (n int) {
		for _, s := range l {
			n += len(s)
		}
		return n
	}
	return map[string]int{
		"remarks": len(f.remarks), "keywords": total(f.keywords), "permissions": total(f.permissions), "contacts": total(f.contacts), "groups": total(f.groups),
	}
}

// room refuses one more file of the caller's, be it of a content that he sent as other
// uploads already (alike), or of any. Those who do not log in are one user: whoever is
// not known can have any uid.
func (p *plugin) room(c *sdk.Call, alike int) error {
	if alike >= mostCopies {
		return sdk.Limitf("you have sent this content %d times under other names or for other groups: delete some of them", alike)
	}
	if p.perUser == 0 || c.HasRole("admin") {
		return nil
	}
	n, err := c.Collection("files").By("by-sender").Is(sdk.Text(c.Caller().User)).Count()
	if err != nil {
		return err
	}
	if n >= p.perUser {
		return sdk.Limitf("you have %d files here, and may have no more: delete some of them", n)
	}
	return nil
}
