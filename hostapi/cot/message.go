package cot

import (
	"errors"
	"strconv"
)

// Errors are put together by hand here: fmt would bring reflect and os into
// every plugin, a fifth of the size of a small one.

// wrapped is an error with the step in front of it.
type wrapped struct {
	step string
	err  error
}

func wrapError(step string, err error) error { return &wrapped{step, err} }

func (w *wrapped) Error() string { return w.step + ": " + w.err.Error() }
func (w *wrapped) Unwrap() error { return w.err }

func buildError(msg string) error { return errors.New("build event: " + msg) }

// quote shows a name in a message.
func quote(name string) string { return strconv.Quote(clip(name)) }
