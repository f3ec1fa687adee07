package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/takhost/takhost/core/setup"
)

// tty asks a person at a terminal. It is in raw mode only while it asks, so that
// Ctrl-C comes as a character then, and can leave no terminal without an echo.
type tty struct {
	in   *os.File
	out  io.Writer
	line *term.Terminal
}

var _ setup.Terminal = (*tty)(nil)

// newTTY gives the terminal, if there is one.
func newTTY(std streams) (*tty, bool) {
	in, ok := std.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil, false
	}
	t := &tty{in: in, out: std.err, line: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, std.err}, "")}
	if wide, high, err := term.GetSize(int(in.Fd())); err == nil && wide > 0 {
		_ = t.line.SetSize(wide, high) // only how long lines are broken
	}
	return t, true
}

// Print implements setup.Terminal.
func (t *tty) Print(text string) { fmt.Fprint(t.out, cleanLines(text)) }

// Line implements setup.Terminal.
func (t *tty) Line(ctx context.Context, prompt string) (string, error) {
	return t.ask(ctx, func() (string, error) {
		t.line.SetPrompt(clean(prompt))
		return t.line.ReadLine()
	})
}

// Secret implements setup.Terminal.
func (t *tty) Secret(ctx context.Context, prompt string) (string, error) {
	return t.ask(ctx, func() (string, error) { return t.line.ReadPassword(clean(prompt)) })
}

func (t *tty) ask(ctx context.Context, read func() (string, error)) (text string, err error) {
	was, err := term.MakeRaw(int(t.in.Fd()))
	if err != nil {
		return "", fmt.Errorf("prepare the terminal: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(int(t.in.Fd()), was)) }()
	type answer struct {
		text string
		err  error
	}
	// Nothing ends a read of a terminal: when ctx ends the process does, and with
	// it the one that waits.
	got := make(chan answer, 1)
	go func() {
		text, err := read()
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		if errors.Is(a.err, io.EOF) {
			return "", setup.ErrInterrupted
		}
		return a.text, a.err
	case <-ctx.Done():
		return "", setup.ErrInterrupted
	}
}
