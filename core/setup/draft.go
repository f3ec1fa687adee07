package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/takhost/takhost/core/config"
)

// Draft is a configuration in the making. It is valid at any time, by the checks
// of package config.
type Draft struct {
	base   string // file whose values hold until they are set; "" is none
	values []config.Flag
}

// NewDraft begins with the values of a file, or with the defaults when the name is
// empty. The error is that of a file that cannot be used.
func NewDraft(file string) (*Draft, error) {
	d := &Draft{base: file}
	_, err := d.Load()
	return d, err
}

// Value is a key with a new value in the form of --set.
type Value struct{ Key, Text string }

// TextValue is a value that is a text, whatever it looks like.
func TextValue(key, text string) Value { return Value{key, strconv.Quote(text)} }

// ListValue is a value that is a list of texts.
func ListValue(key string, texts []string) Value {
	b, err := json.Marshal(append([]string{}, texts...))
	if err != nil {
		panic("a list of texts has no JSON: " + err.Error()) // cannot be
	}
	return Value{key, string(b)}
}

// Set changes values, all or none. The error says what is wrong with them, a
// line each, without naming the key where there is one alone.
func (d *Draft) Set(values ...Value) error {
	next := Draft{base: d.base, values: slices.Clone(d.values)}
	for _, v := range values {
		next.values = slices.DeleteFunc(next.values, func(f config.Flag) bool { return f.Key == v.Key })
		next.values = append(next.values, config.Flag{Name: "--set", Key: v.Key, Value: v.Text})
	}
	if _, err := next.Load(); err != nil {
		return plainFaults(err, len(values) == 1, values)
	}
	d.values = next.values
	return nil
}

// Unset takes back what Set has set.
func (d *Draft) Unset(keys ...string) {
	d.values = slices.DeleteFunc(slices.Clone(d.values), func(f config.Flag) bool { return slices.Contains(keys, f.Key) })
}

// Load gives the configuration as a server would load it from the file to be.
func (d *Draft) Load() (*config.Loaded, error) {
	src := config.Sources{File: d.base, Flags: d.values}
	if src.File == "" {
		src.File = os.DevNull // else the file of the working directory is taken
	}
	return config.Load(src)
}

// plainFaults takes the places off the errors of a load: nobody has seen them.
func plainFaults(err error, one bool, values []Value) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var texts []string
	for _, e := range joined.Unwrap() {
		text := strings.TrimPrefix(e.Error(), "--set: ")
		if f := (*config.Fault)(nil); errors.As(e, &f) {
			text = f.Problem
			if f.Key != "" && (!one || f.Key != values[0].Key) {
				text = fmt.Sprintf("%s: %s", f.Key, f.Problem)
			}
		}
		texts = append(texts, text)
	}
	return errors.New(strings.Join(texts, "\n"))
}
