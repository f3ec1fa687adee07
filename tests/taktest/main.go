package taktest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/takhost/takhost/core/store/storetest"
)

// Main runs the tests of a package, removes what was built and started for all
// of them, and fails when goroutines are left over.
func Main(m *testing.M) {
	goleak.VerifyTestMain(runner{m}, goleak.Cleanup(func(code int) { os.Exit(code) }))
}

type runner struct{ m *testing.M }

// Run implements goleak.TestingM.
func (r runner) Run() int {
	code := storetest.Main(r.m) // ends the PostgreSQL server of WithPostgres
	if err := errors.Join(removeBinary(), removeCode(), removeAuthority()); err != nil {
		fmt.Fprintln(os.Stderr, "taktest:", err)
		code = max(code, 1)
	}
	return code
}
