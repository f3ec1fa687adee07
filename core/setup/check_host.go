package setup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The clock of a machine without a battery begins long before this.
var programmed = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	clockSlack = 5 * time.Minute // files of other machines, and clocks that are being corrected
	jumpSlack  = 30 * time.Second
)

func checkClock(ctx context.Context, p *Patient) []Finding {
	var f findings
	const set = "set it: timedatectl set-ntp true, or by hand"
	now := p.Now()
	if now.Before(programmed) {
		f.add(Fault, set, "it says %s: certificates made now would be of no use", now.Format(time.DateTime))
		return f
	}
	for _, name := range []string{"state.db", "archive.db", "archive.db-wal", "pki/server.pem", "pki/crl.pem"} {
		info, err := os.Stat(filepath.Join(p.Config.Data, filepath.FromSlash(name)))
		if err == nil && info.ModTime().Sub(now) > clockSlack {
			f.add(Warning, set, "it says %s, and %s was written on %s: it is behind, or was ahead then", now.Format(time.DateTime), name, info.ModTime().Format(time.DateTime))
			break
		}
	}
	if r := p.Running; r != nil {
		// The uptime goes on steadily when the clock is set.
		if jump := now.Sub(r.Started.Add(r.Uptime)); jump.Abs() > jumpSlack {
			f.add(Note, "", "it was set by %s since the server started", jump.Round(time.Second))
		}
	}
	if synced, known := p.Synced(ctx); known && !synced {
		f.add(Warning, "timedatectl set-ntp true", "no time server keeps it right: certificates depend on it")
	}
	return f.or("%s", now.Local().Format(time.DateTime))
}

// ClockSynced asks systemd whether a time server keeps the clock right.
func ClockSynced(ctx context.Context) (synced, known bool) {
	ctx, cancel := context.WithTimeout(ctx, resolveWait)
	defer cancel()
	out, err := exec.CommandContext(ctx, "timedatectl", "show", "-p", "NTPSynchronized").Output()
	if err != nil {
		return false, false
	}
	switch strings.TrimSpace(string(out)) {
	case "NTPSynchronized=yes":
		return true, true
	case "NTPSynchronized=no":
		return false, true
	}
	return false, false
}

const (
	lowDisk = 1e9 // bytes

	// archiveStops is the share of the disk below which nothing is archived any
	// more (core/store).
	archiveStops = 0.05
)

func checkDisk(_ context.Context, p *Patient) []Finding {
	var f findings
	dir := existing(p.Config.Data)
	free, total, err := p.FreeDisk(dir)
	if err != nil {
		f.add(Warning, "", "how much is free cannot be told: %v", err)
		return f
	}
	const do = "free some, or move the data folder (the key data)"
	limit, sqlite := uint64(p.Config.Archive.Max), p.Config.Database.IsSQLite()
	used := uint64(0)
	if info, err := os.Stat(filepath.Join(p.Config.Data, "archive.db")); err == nil {
		used = uint64(max(info.Size(), 0))
	}
	switch {
	case sqlite && float64(free) < archiveStops*float64(total):
		f.add(Fault, do, "%s are free of %s: below 5 %% nothing is archived", bytesText(free), bytesText(total))
	case free < lowDisk:
		f.add(Warning, do, "only %s are free", bytesText(free))
	case sqlite && limit > 0 && free+used < limit:
		f.add(Warning, "lower archive.max, or "+do, "%s are free, and the archive may grow to %s (archive.max)", bytesText(free), bytesText(limit))
	}
	return f.or("%s free", bytesText(free))
}

// existing gives the folder, or the nearest above it that is there.
func existing(dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return dir
	}
	for {
		if _, err := os.Stat(abs); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(abs) == abs {
			return abs
		}
		abs = filepath.Dir(abs)
	}
}
