package identity

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/takhost/takhost/core/store/storetest"
)

func TestMain(m *testing.M) {
	// Fewer rounds than usual, as each commits some thirty times; the command
	// line may ask for more.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	code := storetest.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString("goroutines left behind: " + err.Error() + "\n")
			code = 1
		}
	}
	os.Exit(code)
}
