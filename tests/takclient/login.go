package takclient

import (
	"encoding/xml"
	"strings"
)

// loginMessage makes the <auth> message, as ATAK does.
func loginMessage(user, password string) []byte {
	var b strings.Builder
	value := func(name, s string) {
		b.WriteString(" " + name + `="`)
		_ = xml.EscapeText(&b, []byte(s)) // a Builder takes all
		b.WriteByte('"')
	}
	b.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<auth><cot")
	value("username", user)
	value("password", password)
	b.WriteString("/></auth>")
	return []byte(b.String())
}
