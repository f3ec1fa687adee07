package main

import (
	"strings"
	"testing"
	"time"

	rest "github.com/takhost/takhost/core/admin"
)

func TestAuditLine(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	stamp := at.Local().Format(toSecond)
	tests := []struct {
		name  string
		entry rest.AuditEntry
		wide  int
		want  string
	}{
		{"change", rest.AuditEntry{At: at, User: "ann", Addr: "192.0.2.7", Via: "web", Action: "user.add", Subject: "ben", Detail: "groups Blue", OK: true}, 0,
			stamp + "  ann         web 192.0.2.7    user.add          ben  groups Blue\n"},
		{"narrow terminal", rest.AuditEntry{At: at, User: "ann", Addr: "192.0.2.7", Via: "web", Action: "user.add", Subject: "ben", Detail: "groups Blue", OK: true}, 80,
			stamp + "  ann         web 192.0.2.7    user.add          ben\n    groups Blue\n"},
		{"refused, from nobody", rest.AuditEntry{At: at, Addr: "@", Via: "admin", Action: "login", Subject: "e\x1b[2Jve"}, 80,
			stamp + "  -           admin            login             e·[2Jve  refused\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := auditLine(&tt.entry, tt.wide); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if got := auditLine(&tt.entry, tt.wide); strings.Contains(got, "\x1b") {
				t.Errorf("got an escape sequence in %q", got)
			}
		})
	}
}
