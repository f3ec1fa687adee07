//go:build race

package tests

// raceDetector makes everything some five to ten times slower; tests that put
// the server under load take less of it then.
const raceDetector = true
