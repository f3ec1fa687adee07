package setup

import (
	"context"
	"errors"
	"fmt"

	"github.com/takhost/takhost/core/identity"
)

// Wizard asks what matters for a new server, and makes a Plan of the answers.
// What was set before it runs, by flags or a FreeTAKServer, is what Enter takes.
type Wizard struct {
	Terminal Terminal
	Machine  Machine
	File     string // of the configuration to be
	Draft    *Draft
	FTS      *FTS   // nil: nothing is taken over
	Admin    *Admin // to begin with; nil: none
	Exists   bool   // File is there
	Yes      bool   // nobody is asked: Enter is the answer to everything

	ids   *identity.Service // users that the database has already; set by askDatabase
	plain []string          // keys that askPlain has set
	notes []string          // for whoever is not asked
}

// errNotWritten is the answer no to the last question.
var errNotWritten = errors.New("nothing was written")

// step is a question or several that belong together. One that has nothing to ask
// at present is passed over.
type step struct {
	asks func(ctx context.Context) bool
	ask  func(ctx context.Context) error
}

// Run asks. ErrInterrupted is its error when the person has had enough.
func (w *Wizard) Run(ctx context.Context) (*Plan, error) {
	if !w.Yes {
		w.Terminal.Print("A few questions set takhost up. Enter takes what is in brackets, back goes to the\nquestion before, Ctrl-C ends it and writes nothing.\n")
		if w.Exists {
			w.Terminal.Print(w.File + " is there: what it says is in the brackets, and it is kept under another name.\n")
		}
	}
	always := func(context.Context) bool { return true }
	steps := []step{
		{always, w.askPublic}, {always, w.askExposure}, {w.asksPlain, w.askPlain}, {always, w.askDatabase},
		{w.asksAdmin, w.askAdmin}, {always, w.askWeb}, {w.asksPorts, w.askPorts}, {always, w.askAll},
	}
	var before []int // the steps that were gone, for the way back
	for i := 0; i < len(steps); {
		if !steps[i].asks(ctx) {
			i++
			continue
		}
		err := steps[i].ask(ctx)
		switch {
		case errors.Is(err, errBack) && len(before) > 0:
			i, before = before[len(before)-1], before[:len(before)-1]
		case errors.Is(err, errBack):
			w.say("This is the first question.")
		case err != nil:
			return nil, err
		default:
			before = append(before, i)
			i++
		}
	}
	return &Plan{File: w.File, Draft: w.Draft, Admin: w.Admin, FTS: w.FTS, Backup: w.Exists}, nil
}

// Notes are what somebody should know of the answers who was not asked.
func (w *Wizard) Notes() []string { return w.notes }

// note tells what is not quite right. Whoever is there sees it at once.
func (w *Wizard) note(format string, args ...any) {
	if w.Yes {
		w.notes = append(w.notes, fmt.Sprintf(format, args...))
		return
	}
	w.say(format, args...)
}

func (w *Wizard) set(values ...Value) error { return w.Draft.Set(values...) }

// NeedsAdmin reports whether the database has nobody who can administer the
// server.
func (w *Wizard) NeedsAdmin() bool { return w.ids == nil || w.ids.NeedsSetup() }
