package taktest

import (
	"io/fs"

	"github.com/takhost/takhost/core/config"
)

// Option changes the server that a test gets.
type Option func(*options)

type options struct {
	change     []func(*config.Config)
	tls        bool
	limitedLog bool
	postgres   bool
	plugins    string
	shipped    fs.FS
	ownCA      bool
}

// WithConfig changes the configuration, which otherwise is the default one with
// listen.tcp and listen.rest on free ports of loopback and nothing else open.
func WithConfig(change func(*config.Config)) Option {
	return func(o *options) { o.change = append(o.change, change) }
}

// WithListeners opens further listeners on free ports of loopback: tls, http,
// https, web. They have the certificates of the server's own authority.
func WithListeners(names ...string) Option {
	return WithConfig(func(c *config.Config) {
		for _, name := range names {
			c.Listen.SetAddr(name, "127.0.0.1:0")
		}
	})
}

// WithPublic says under which names clients reach the server. Without it phones
// cannot be enrolled by a link: loopback is no address for them.
func WithPublic(names ...string) Option {
	return WithConfig(func(c *config.Config) { c.Public = names })
}

// WithOwnAuthority has the server make an authority for itself, where others
// share one to save time.
func WithOwnAuthority() Option { return func(o *options) { o.ownCA = true } }

// WithTLS opens listen.tls with certificates made for the test, which the server
// takes for those of a foreign authority; see PKI.
func WithTLS() Option { return func(o *options) { o.tls = true } }

// WithLimitedLog logs as the program does, which leaves out what repeats. It is
// for tests that make the server log thousands of lines.
func WithLimitedLog() Option { return func(o *options) { o.limitedLog = true } }

// WithPostgres uses a fresh PostgreSQL database instead of SQLite; where there
// is no PostgreSQL the test is skipped (core/store/storetest).
func WithPostgres() Option { return func(o *options) { o.postgres = true } }

// WithPlugins writes a configuration file that has these lines below "plugins:".
// See Server.SetPlugins for changes.
func WithPlugins(yaml string) Option { return func(o *options) { o.plugins = yaml } }

// WithShipped gives the server plugins as those that come with the program:
// NAME.takplugin. Without it there are none.
func WithShipped(files fs.FS) Option { return func(o *options) { o.shipped = files } }
