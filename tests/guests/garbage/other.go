//go:build !wasip1

package main

import "os"

func main() {
	os.Stderr.WriteString("this is a WASM plugin\n")
	os.Exit(1)
}
