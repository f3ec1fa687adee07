package setup

import (
	"context"
	"fmt"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
)

// Level says how bad a finding is.
type Level int

// The levels, the least one first.
const (
	OK      Level = iota
	Note          // may well be meant so
	Warning       // will do harm, or shuts somebody out
	Fault         // does not work, or is open to others
)

func (l Level) String() string {
	switch l {
	case OK:
		return "ok"
	case Note:
		return "note"
	case Warning:
		return "warning"
	case Fault:
		return "fault"
	}
	return fmt.Sprintf("Level(%d)", int(l))
}

// MarshalText gives the level by its name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Finding is what a check has found.
type Finding struct {
	Check string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"` // what to do about it
}

// Patient is an installation to be looked at. Nothing of it is changed.
type Patient struct {
	Config    *config.Loaded // nil: it could not be loaded
	ConfigErr error          // then why

	Running *Running // what the server says; nil: none runs
	AskErr  error    // why a server that runs could not be asked

	Version  string // of this program
	Machine  Machine
	Now      func() time.Time
	FreeDisk func(dir string) (free, total uint64, err error)
	Synced   func(ctx context.Context) (synced, known bool) // the clock, with a time server
	Look     func(ctx context.Context, dsn, dir string) (store.Look, error)
}

// Running is what a server that runs says of itself.
type Running struct {
	Version   string
	Started   time.Time
	Uptime    time.Duration
	Listeners []RunningListener
	Archive   string // its state: ok, off, or what is wrong
	Plugins   []RunningPlugin
	People    People
}

// RunningListener is one of its listeners.
type RunningListener struct {
	Name  string
	Addr  string // with the real port; empty when closed
	State string // open, off, or why it is closed
}

// RunningPlugin is one of its plugins that are on.
type RunningPlugin struct {
	Name   string
	Failed bool // it does not work, and Reason says why
	Reason string
}

// People are those who may come in.
type People struct {
	Users  []identity.User
	Tokens []identity.Token
}

// check is one thing to look at. Findings of one are told together; at least one
// says that all is well, where it is.
type check struct {
	name string
	look func(ctx context.Context, p *Patient) []Finding
}

// checks are all of them. Those after the first need a configuration.
func checks() []check {
	return []check{
		{"configuration", checkConfig},
		{"server", checkServer},
		{"data folder", checkFolder},
		{"names", checkNames},
		{"listeners", checkListeners},
		{"ports", checkOpen},
		{"certificates", checkAuthority},
		{"web certificate", checkWeb},
		{"clock", checkClock},
		{"disk", checkDisk},
		{"database", checkDatabase},
		{"users", checkPeople},
		{"plugins", checkPlugins},
	}
}

// Diagnose does all checks, in an order that tells causes before what comes of
// them.
func Diagnose(ctx context.Context, p *Patient) (all []Finding) {
	for i, c := range checks() {
		if i > 0 && p.Config == nil {
			break
		}
		for _, f := range c.look(ctx, p) {
			f.Check = c.name
			all = append(all, f)
		}
	}
	return all
}

// Worst gives the highest level of all.
func Worst(all []Finding) Level {
	worst := OK
	for _, f := range all {
		worst = max(worst, f.Level)
	}
	return worst
}

// findings collects those of one check.
type findings []Finding

func (f *findings) add(l Level, do, format string, args ...any) {
	*f = append(*f, Finding{Level: l, Text: fmt.Sprintf(format, args...), Do: do})
}

// or gives them, or that all is well.
func (f findings) or(format string, args ...any) []Finding {
	if len(f) == 0 {
		f.add(OK, "", format, args...)
	}
	return f
}

func checkConfig(_ context.Context, p *Patient) []Finding {
	var f findings
	if p.Config == nil {
		f.add(Fault, "correct it: takhost config check tells the same, takhost config sample shows what there is", "it cannot be used:\n%v", p.ConfigErr)
		return f
	}
	for _, w := range p.Config.Warnings {
		f.add(Warning, "", "%s", w)
	}
	if p.Config.File == "" {
		f.add(Note, "write one with takhost init", "there is no file: the defaults hold")
	}
	return f.or("%s", p.Config.File)
}

func checkServer(_ context.Context, p *Patient) []Finding {
	var f findings
	switch r := p.Running; {
	case p.AskErr != nil:
		f.add(Warning, "run this as the user that runs takhost, or as root", "a server seems to run, but cannot be asked: %v", p.AskErr)
	case r == nil:
		f.add(OK, "", "none runs: what follows is about its next start")
	case r.Version != p.Version:
		f.add(Warning, "restart the server", "%s runs, and this program is %s", r.Version, p.Version)
	default:
		f.add(OK, "", "%s runs since %s", r.Version, r.Started.Local().Format(time.DateTime))
	}
	return f
}

func checkPlugins(_ context.Context, p *Patient) []Finding {
	var f findings
	if p.Running == nil {
		return nil
	}
	for _, pl := range p.Running.Plugins {
		if pl.Failed {
			f.add(Fault, "takhost plugin show "+pl.Name, "%s does not work: %s", pl.Name, pl.Reason)
		}
	}
	return f.or("%d are on", len(p.Running.Plugins))
}

func checkDatabase(ctx context.Context, p *Patient) []Finding {
	var f findings
	if r := p.Running; r != nil {
		if r.Archive != "ok" && r.Archive != "off" {
			f.add(Fault, "the log says more", "events are not archived: %s", r.Archive)
		}
		return f.or("the server works with it")
	}
	if p.AskErr != nil {
		return nil
	}
	l, err := p.Look(ctx, p.Config.Database.DSN(), p.Config.Data)
	switch {
	case err != nil:
		f.add(Fault, "", "%v", err)
	case len(l.Newer) > 0:
		f.add(Fault, "run the newer takhost", "it is from a newer version, which this one cannot read (%v)", l.Newer)
	case l.Empty:
		f.add(OK, "", "%s: the first start makes the tables", l.Engine)
	case l.Pending > 0:
		f.add(Note, "", "%s: the next start brings it to the form of this version", l.Engine)
	}
	return f.or("%s", l.Engine)
}

// people gives users and tokens, from the server or from the database.
func (p *Patient) people(ctx context.Context) (People, bool) {
	if p.Running != nil {
		return p.Running.People, true
	}
	if p.AskErr != nil {
		return People{}, false
	}
	l, err := p.Look(ctx, p.Config.Database.DSN(), p.Config.Data)
	if err != nil || len(l.Newer) > 0 {
		return People{}, false // checkDatabase tells why
	}
	ids, err := openScratch(ctx, l)
	if err != nil {
		return People{}, false
	}
	return People{ids.Users(), ids.Tokens("")}, true
}
