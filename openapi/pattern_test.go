package openapi

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"pgregory.net/rapid"
)

// TestPatternsAgreeWithTheRouter compares what takesFrom says with what the
// router does: the first pattern takes a request from the second if and only if
// it is said to.
func TestPatternsAgreeWithTheRouter(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "ab", "{x}", ""})
	genPath := func(t *rapid.T, label string) string {
		path := ""
		for i := range rapid.IntRange(1, 3).Draw(t, label) {
			s := segment.Draw(t, label)
			if s == "{x}" {
				s = "{" + string(rune('p'+i)) + "}"
			}
			path += "/" + s
		}
		if rapid.IntRange(0, 4).Draw(t, label) == 0 {
			path += "/{rest...}"
		}
		return path
	}
	rapid.Check(t, func(t *rapid.T) {
		one, err := parsePattern(genPath(t, "one"))
		if err != nil {
			t.Fatal(err)
		}
		two, err := parsePattern(genPath(t, "two"))
		if err != nil {
			t.Fatal(err)
		}
		if one.shape() == two.shape() {
			return // that is told before
		}
		got := ""
		mux := chi.NewMux()
		mux.Method("GET", one.chi(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got = "one" }))
		mux.Method("GET", two.chi(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got = "two" }))
		alone := chi.NewMux()
		alone.Method("GET", two.chi(), http.NotFoundHandler())
		takes := one.takesFrom(two)
		path := ""
		for range rapid.IntRange(1, 4).Draw(t, "segments") {
			path += "/" + rapid.SampledFrom([]string{"a", "b", "ab", "abc", "z"}).Draw(t, "segment")
		}
		if rapid.Bool().Draw(t, "slash") {
			path += "/"
		}
		r, err := http.NewRequest("GET", path, nil)
		if err != nil {
			t.Fatal(err)
		}
		mux.ServeHTTP(discard{}, r)
		if got == "one" && alone.Match(chi.NewRouteContext(), "GET", path) && !takes {
			t.Fatalf("%s takes %s from %s, and takesFrom says that it does not", one.chi(), path, two.chi())
		}
		if takes && two.takesFrom(one) {
			t.Fatalf("%s and %s are said to take from one another", one.chi(), two.chi())
		}
	})
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
