package setup

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
)

// ThisSystemd is that of the machine.
func ThisSystemd() *Systemd {
	return &Systemd{
		// What sd_booted(3) looks at.
		Running: func() bool { info, err := os.Lstat("/run/systemd/system"); return err == nil && info.IsDir() },
		Root:    func() bool { return os.Geteuid() == 0 },
		Run:     runCommand,
		User: func(name string) (*user.User, error) {
			if _, err := strconv.Atoi(name); err == nil {
				return user.LookupId(name)
			}
			return user.Lookup(name)
		},
		GroupOf: func(u *user.User) (string, error) {
			g, err := user.LookupGroupId(u.Gid)
			if err != nil {
				return "", err
			}
			return g.Name, nil
		},
		Owner: ownerOf, Chown: os.Lchown, UnitDir: "/etc/systemd/system",
	}
}

func runCommand(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, text)
	}
	return text, nil
}
