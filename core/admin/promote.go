package admin

import (
	"context"
	"errors"
	"slices"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
)

// raises says whether these roles give somebody more than he has and operators
// may help to. What was made for him may be older than the roles he has now.
func raises(u identity.User, roles *[]string) bool {
	return roles != nil && slices.ContainsFunc(*roles, func(r string) bool {
		return (r == roleAdmin || r == roleOperator) && !slices.Contains(u.Roles, r)
	})
}

// setUser changes a user. Who becomes an administrator or operator loses what
// operators have made for him: before, so that it never has the new rights, and
// once more after it, for what was made meanwhile.
func (r registrar) setUser(ctx context.Context, name string, change *UserChange) (identity.User, error) {
	was, ok := r.d.Identity.User(name)
	raised := ok && raises(was, change.Roles)
	if raised {
		if err := r.disown(ctx, was.Name); err != nil {
			return was, err
		}
	}
	u, err := r.d.Identity.SetUser(ctx, actor(ctx), name, change.apply)
	if err == nil && raised {
		err = r.disown(ctx, u.Name)
	}
	return u, err
}

// disown voids the enrolment codes and revokes the certificates of a user that
// somebody else than an administrator has, or had, in his hands: with them he
// would come in with this user's rights.
func (r registrar) disown(ctx context.Context, user string) error {
	ids, by := r.d.Identity, actor(ctx)
	makers := map[string]string{} // of codes, by id
	var errs []error
	for _, e := range ids.Enrolments() {
		if e.User != user {
			continue
		}
		if makers[e.ID] = e.By; !r.trusted(e.By, user) {
			errs = append(errs, unlessGone(ids.RemoveEnrolment(ctx, by, e.ID)))
		}
	}
	for _, c := range ids.Certificates(identity.CertificateFilter{User: user}) {
		if c.State(r.d.now()) == identity.StateExpired || c.Revoked != nil {
			continue
		}
		good, err := r.ownHands(ctx, c, makers)
		errs = append(errs, err)
		if err == nil && !good {
			errs = append(errs, ids.RevokeCertificate(ctx, by, c.Serial, "its user gets more rights, and somebody else may have the key"))
		}
	}
	return errors.Join(errs...)
}

// ownHands says whether nobody but the user and administrators ever had a
// certificate's key. A code or a row of the audit that is gone tells nothing.
func (r registrar) ownHands(ctx context.Context, c identity.Certificate, codes map[string]string) (bool, error) {
	if c.Enrolment != "" {
		maker, known := codes[c.Enrolment]
		return known && r.trusted(maker, c.User), nil
	}
	if c.Kind != identity.KindPackage {
		return true, nil // by the user's own password, or by an administrator
	}
	page, err := r.d.Identity.AuditLog(ctx, store.AuditQuery{Action: "certificate.add", Subject: c.Serial, Limit: 1})
	if err != nil || len(page.Entries) == 0 {
		return false, err
	}
	return r.trusted(page.Entries[0].User, c.User), nil
}

// trusted says whether whoever made something for a user could act for him
// anyway. The server's own token and the admin socket are no users, unless there
// is one of that name.
func (r registrar) trusted(maker, user string) bool {
	if u, ok := r.d.Identity.User(maker); ok {
		return u.Name == user || slices.Contains(u.Roles, roleAdmin)
	}
	return maker == "" || maker == adminName
}

// adminName is what the server's own token and the admin socket are called.
const adminName = "admin"

// mayStill looks again whether the caller may bring a user on, after something
// was made for him: he may have got more rights meanwhile.
func (r registrar) mayStill(ctx context.Context, user string, undo func(context.Context) error) error {
	_, err := r.userFor(ctx, user)
	if err != nil {
		err = errors.Join(err, unlessGone(undo(context.WithoutCancel(ctx))))
	}
	return err
}

func unlessGone(err error) error {
	if store.CodeOf(err) == store.NotFound {
		return nil
	}
	return err
}
