package config

import (
	"errors"
	"log/slog"
	"net/url"
	"strings"
)

// SQLite is the database in files of the data folder.
const SQLite Database = "sqlite"

// Database is "sqlite" or a postgres URL. The URL may hold a password, so the
// printed forms (String, %v, %#v, slog, JSON, YAML) mask it; DSN gives the
// real one.
type Database string

// maskedText is what stands for a password, as in net/url.
const maskedText = "xxxxx"

// IsSQLite reports whether the data lies in files of the data folder.
func (d Database) IsSQLite() bool { return d == SQLite }

// DSN gives the text to connect with, password included.
func (d Database) DSN() string { return string(d) }

// String gives the form for people: passwords are masked, and text that cannot
// be read as a URL is hidden wholly, as it may hold one anywhere.
func (d Database) String() string {
	if d == SQLite || d == "" {
		return string(d)
	}
	u, err := url.Parse(string(d))
	if err != nil || !isPostgres(u) || cutByPassword(u) {
		return maskedText
	}
	if _, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), maskedText)
	}
	if u.RawQuery != "" {
		q, err := url.ParseQuery(u.RawQuery)
		if err != nil {
			return maskedText
		}
		for k := range q {
			if l := strings.ToLower(k); strings.Contains(l, "pass") || strings.Contains(l, "secret") {
				q.Set(k, maskedText)
				u.RawQuery = q.Encode()
			}
		}
	}
	return u.String()
}

// GoString keeps %#v from showing the password.
func (d Database) GoString() string { return "config.Database(" + d.String() + ")" }

// LogValue keeps the password out of logs.
func (d Database) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText keeps the password out of JSON and YAML.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Database) validate() error {
	if d == SQLite {
		return nil
	}
	const wanted = "must be sqlite or postgres://user:password@host/database"
	if d == "" {
		return errors.New(wanted + "; it is empty")
	}
	// The parser's own error repeats the text and with it the password.
	u, err := url.Parse(string(d))
	if err == nil && !isPostgres(u) {
		return errors.New(wanted)
	}
	if err != nil || cutByPassword(u) {
		return errors.New("is not a URL: special characters in user and password are written as %XX, such as %2F for / and %40 for @")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("has options after ? that cannot be read: write name=value, joined with &")
	}
	if u.Host == "" && q.Get("host") == "" {
		return errors.New("names no host: write postgres://user:password@host/database")
	}
	return nil
}

// cutByPassword reports whether a character of an unescaped password (/, ?, #)
// ended the host too early, so that its rest is taken for something printable.
func cutByPassword(u *url.URL) bool {
	return u.Opaque != "" || u.Fragment != "" || strings.Contains(u.Path, "@") || strings.Contains(u.RawQuery, "@")
}

func isPostgres(u *url.URL) bool { return u.Scheme == "postgres" || u.Scheme == "postgresql" }
