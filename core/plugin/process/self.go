package process

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
)

// Subcommand is the hidden command by which the server's own program runs as a
// process plugin: takhost plugin-process NAME.
const Subcommand = "plugin-process"

// Self gives program, arguments and digest for a plugin that is built into the
// server's own program. It reads the whole file, so it is asked once.
func Self(name string) (program string, args []string, digest string, err error) {
	program, err = os.Executable()
	if err != nil {
		return "", nil, "", fmt.Errorf("find this program: %w", err)
	}
	if runtime.GOOS == "linux" {
		// Also after an update has put another file in its place, what runs is the
		// program that this process runs.
		program = "/proc/self/exe"
	}
	f, err := os.Open(program)
	if err != nil {
		return "", nil, "", fmt.Errorf("read this program: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", nil, "", fmt.Errorf("read this program: %w", err)
	}
	return program, []string{Subcommand, name}, hex.EncodeToString(sum.Sum(nil)), nil
}
