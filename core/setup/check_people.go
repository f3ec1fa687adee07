package setup

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/takhost/takhost/core/identity"
)

func checkPeople(ctx context.Context, p *Patient) []Finding {
	var f findings
	who, ok := p.people(ctx)
	if !ok {
		return nil
	}
	now := p.Now()
	admin := slices.ContainsFunc(who.Users, func(u identity.User) bool {
		return slices.Contains(u.Roles, identity.RoleAdmin) && u.HasPassword && !u.Disabled && (u.Expires == nil || now.Before(*u.Expires))
	})
	if !admin {
		do := "start the server: it shows a link by which one is made"
		if p.Running != nil {
			do = "open the link in " + filepath.Join(p.Config.Data, "setup.link") + ", or take a new one: takhost admin reset"
		}
		f.add(Warning, do, "there is no administrator who can log in")
	}
	var weak []string
	for _, t := range who.Tokens {
		if t.Weak && (t.Expires == nil || now.Before(*t.Expires)) {
			weak = append(weak, "of "+t.User)
		}
	}
	if len(weak) > 0 {
		slices.Sort(weak)
		f.add(Warning, "give their programs new ones (takhost token new NAME), then remove the old (takhost token list)",
			"tokens that somebody chose, and that may be guessed: %s", some(slices.Compact(weak), 5))
	}
	for _, u := range who.Users {
		if u.Name == sharedUser && u.Expires != nil && now.Before(*u.Expires) {
			f.add(Note, "enrol those who have it by themselves, then: takhost user remove "+sharedUser,
				"%s is one certificate for many, from FreeTAKServer; it ends on %s", u.Name, u.Expires.Local().Format("2006-01-02"))
		}
	}
	return f.or("%d users, %d tokens", len(who.Users), len(who.Tokens))
}

// some joins texts, and counts those beyond n.
func some(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}
