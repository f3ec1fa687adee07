package identity

import (
	"fmt"
	"testing"
)

func BenchmarkByToken(b *testing.B) {
	bed := newBed(b)
	bed.addUser("anna")
	_, secret, err := bed.NewToken(b.Context(), admin, TokenSpec{User: "anna"})
	must(b, err)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bed.ByToken(ctx, secret, home); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSetsOf(b *testing.B) {
	bed := newBed(b)
	bed.addGroups("Blue", "Red")
	bed.addUser("Anna", withGroups("Blue", "Red"))
	must(b, bed.SetChannels(b.Context(), admin, "anna", "PHONE", []string{"Red"}))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := bed.SetsOf("Anna", "PHONE", true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkByCertificate(b *testing.B) {
	bed, ca := newBed(b), newAuthority(b)
	bed.addUser("anna")
	cert := ca.issue(b, "anna", start, year, true)
	must(b, bed.AddCertificate(b.Context(), admin, NewCertificate(cert, KindEnrolled, "anna", "PHONE")))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bed.ByCertificate(cert); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAccessToken(b *testing.B) {
	bed := newBed(b)
	bed.addUser("anna")
	caller, err := bed.CallerOf("anna")
	must(b, err)
	token, _, err := bed.AccessToken(b.Context(), caller, home)
	must(b, err)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bed.ByToken(ctx, token, home); err != nil {
			b.Fatal(err)
		}
	}
}

// A change costs copies of the tables it touches.
func BenchmarkAddUserAmong10000(b *testing.B) {
	bed := newBed(b)
	users := make([]NewUser, 10_000)
	for i := range users {
		users[i] = NewUser{User: User{Name: fmt.Sprint("user", i)}}
	}
	_, err := bed.AddUsers(b.Context(), admin, users)
	must(b, err)
	i := 0
	for b.Loop() {
		i++
		if _, err := bed.AddUser(b.Context(), admin, NewUser{User: User{Name: fmt.Sprint("more", i)}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		makeHash(password)
	}
}
