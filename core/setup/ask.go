package setup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Terminal is where a person answers.
type Terminal interface {
	// Print shows text, which may have several lines.
	Print(text string)
	// Line asks for a line. ErrInterrupted says that there will be no more, also
	// when ctx ends.
	Line(ctx context.Context, prompt string) (string, error)
	// Secret asks for a line that is not shown.
	Secret(ctx context.Context, prompt string) (string, error)
}

// ErrInterrupted is what a person does who ends the wizard.
var ErrInterrupted = errors.New("interrupted: nothing was written")

// errBack is what an answer says that wants the question before.
var errBack = errors.New("back")

// question is one thing to be asked.
type question struct {
	title  string
	about  []string // one line each
	byHand string   // what Enter stands for
	take   func(ctx context.Context, answer string) error
}

// ask asks until an answer can be taken. An answer that cannot is told why; with
// w.Yes the first one is the only one.
func (w *Wizard) ask(ctx context.Context, q question) error {
	if w.Yes {
		if err := q.take(ctx, q.byHand); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(q.title), err)
		}
		return nil
	}
	w.begin(q.title, q.about)
	for {
		answer, err := w.Terminal.Line(ctx, fmt.Sprintf("  [%s]: ", q.byHand))
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		switch answer = strings.TrimSpace(answer); {
		case isBack(answer):
			return errBack
		case answer == "?":
			w.begin(q.title, q.about)
			continue
		case answer == "":
			answer = q.byHand
		}
		err = q.take(ctx, answer)
		if err == nil || errors.Is(err, errBack) || errors.Is(err, ErrInterrupted) || errors.Is(err, errNotWritten) {
			return err
		}
		w.say("! %s", strings.ReplaceAll(err.Error(), "\n", "\n  ! "))
	}
}

func isBack(answer string) bool { return strings.EqualFold(answer, "back") || answer == "<" }

func (w *Wizard) begin(title string, about []string) {
	w.Terminal.Print("\n" + title + "\n")
	for _, line := range about {
		w.say("%s", line)
	}
}

// say tells a line, indented below its question.
func (w *Wizard) say(format string, args ...any) {
	w.Terminal.Print("  " + fmt.Sprintf(format, args...) + "\n")
}

// option is one answer to choose.
type option struct{ key, about string }

// choose asks for one of several answers, by its number or its name.
func (w *Wizard) choose(ctx context.Context, title string, about []string, now string, options []option, take func(ctx context.Context, key string) error) error {
	widest := 0
	for _, o := range options {
		widest = max(widest, len(o.key))
	}
	lines := about[:len(about):len(about)]
	for i, o := range options {
		lines = append(lines, fmt.Sprintf("%d  %-*s  %s", i+1, widest, o.key, o.about))
	}
	return w.ask(ctx, question{title: title, about: lines, byHand: now, take: func(ctx context.Context, answer string) error {
		key, ok := pick(options, answer)
		if !ok {
			return fmt.Errorf("choose by number, 1 to %d, or by name", len(options))
		}
		return take(ctx, key)
	}})
}

func pick(options []option, answer string) (key string, ok bool) {
	found := 0
	for _, o := range options {
		if strings.EqualFold(o.key, answer) {
			return o.key, true
		}
		if answer != "" && len(answer) <= len(o.key) && strings.EqualFold(o.key[:len(answer)], answer) {
			key = o.key
			found++
		}
	}
	if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(options) {
		return options[n-1].key, true
	}
	return key, found == 1
}

// yesNo asks for yes or no.
func (w *Wizard) yesNo(ctx context.Context, title string, about []string, now bool, take func(yes bool) error) error {
	text := "no"
	if now {
		text = "yes"
	}
	return w.ask(ctx, question{title: title, about: about, byHand: text, take: func(_ context.Context, answer string) error {
		switch strings.ToLower(answer) {
		case "y", "yes":
			return take(true)
		case "n", "no":
			return take(false)
		}
		return errors.New("answer yes or no")
	}})
}
