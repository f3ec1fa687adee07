package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxPassword is more than the server takes, in bytes.
const maxPassword = 4096

// passwordFlags say where a password comes from: the terminal, unless it is
// piped in. There is no flag for the password itself, which everybody on the
// machine could read.
type passwordFlags struct {
	PasswordStdin bool `name:"password-stdin" help:"Read the password from the standard input, up to its end."`
}

// password asks for a new password. instead says what else could be done, for
// an error.
func (f *passwordFlags) password(std streams, who, instead string) (string, error) {
	if f.PasswordStdin {
		return readPassword(std.in)
	}
	in, ok := std.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", usagef("there is no terminal to ask for the password of %s: give --password-stdin%s", who, instead)
	}
	return askPassword(in, std.err, who)
}

func readPassword(in io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case text == "":
		return "", usagef("--password-stdin: there is no password on the standard input")
	case len(b) > maxPassword, strings.ContainsAny(text, "\r\n"):
		return "", usagef("--password-stdin: what is on the standard input is more than one line with a password")
	}
	return text, nil
}

// askPassword asks twice without an echo. The terminal is put into raw mode, so
// that Ctrl-C comes as a character and cannot leave it without an echo.
func askPassword(in *os.File, out io.Writer, who string) (password string, err error) {
	was, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("prepare the terminal: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(int(in.Fd()), was)) }()
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")
	ask := func(prompt string) (text string) {
		if err == nil {
			text, err = t.ReadPassword(prompt)
		}
		return text
	}
	first := ask("Password for " + clean(who) + ": ")
	again := ask("The same again: ")
	switch {
	case errors.Is(err, io.EOF):
		return "", errors.New("interrupted: nothing was changed")
	case err != nil:
		return "", fmt.Errorf("read the password: %w", err)
	case first == "":
		return "", errors.New("no password was given: nothing was changed")
	case first != again:
		return "", errors.New("the two passwords are not the same: nothing was changed")
	}
	return first, nil
}
