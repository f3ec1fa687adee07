package conformance

import (
	"testing"

	"github.com/takhost/takhost/tests/taktest"
)

func TestMain(m *testing.M) { taktest.Main(m) }
