package storetest

import (
	"os"
	"os/exec"
)

func giveAway(string) error { return nil }

func demote(*exec.Cmd) error { return nil }

func stopNow(p *os.Process) error { return p.Kill() }
