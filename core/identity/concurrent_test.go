package identity

import (
	"fmt"
	"sync"
	"testing"
)

// Readers take no lock: while others change everything, they see one state or
// the next. The race detector is the judge of the rest.
func TestReadersAmongWriters(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addGroups("Blue", "Red")
	b.addUser("anna", withGroups("Blue", "Red"))
	cert := ca.issue(t, "anna", start, year, true)
	must(t, b.AddCertificate(t.Context(), admin, NewCertificate(cert, KindEnrolled, "anna", "PHONE")))
	_, token, err := b.NewToken(t.Context(), admin, TokenSpec{User: "anna"})
	must(t, err)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				in, out, err := b.SetsOf("anna", "PHONE", true)
				if err != nil || in != out {
					t.Errorf("got sets %d, %d, %v", in, out, err)
					return
				}
				if got := b.token(token, home) + b.certificate(cert); got != "annaanna" {
					t.Errorf("got %s", got)
					return
				}
				if n := len(b.Channels("anna", "PHONE")); n != 4 {
					t.Errorf("got %d channels", n)
					return
				}
				b.Users()
				b.Groups()
				b.Tokens("")
				b.Certificates(CertificateFilter{})
				b.Enrolments()
			}
		})
	}
	do := func(fn func(i int) error) {
		writers.Go(func() {
			for i := range 60 {
				if err := fn(i); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	do(func(i int) error {
		return b.SetChannels(t.Context(), admin, "anna", "PHONE", [][]string{{"Blue"}, {"Red"}, nil}[i%3])
	})
	do(func(i int) error {
		return second(b.SetUser(t.Context(), admin, "anna", func(u *User) error { u.FullName = fmt.Sprint(i); return nil }))
	})
	do(func(i int) error {
		name := fmt.Sprint("u", i)
		return second(b.AddUser(t.Context(), admin, NewUser{User: User{Name: name}}))
	})
	do(func(i int) error { return second(b.AddGroup(t.Context(), admin, fmt.Sprint("g", i), "")) })
	do(func(int) error { return b.Sweep(t.Context()) })
	writers.Wait()
	close(stop)
	readers.Wait()
}
