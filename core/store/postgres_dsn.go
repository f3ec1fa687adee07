package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"
)

// pgDSN is a parsed postgres URL.
type pgDSN struct {
	network, addr        string
	user, password, name string
	app                  string
	tls                  *tls.Config // nil: in the clear
	dialTimeout          time.Duration
}

// String gives the place without the password.
func (d pgDSN) String() string { return "PostgreSQL database " + d.name + " at " + d.addr }

func (d pgDSN) options() []pgdriver.Option {
	o := []pgdriver.Option{
		pgdriver.WithNetwork(d.network), pgdriver.WithAddr(d.addr), pgdriver.WithUser(d.user),
		pgdriver.WithPassword(d.password), pgdriver.WithDatabase(d.name), pgdriver.WithApplicationName(d.app),
		pgdriver.WithDialTimeout(d.dialTimeout),
	}
	return append(o, func(c *pgdriver.Config) { c.TLSConfig = d.tls })
}

// parsePG reads a postgres URL. Its errors never repeat the URL, which may
// hold a password.
func parsePG(dsn string) (pgDSN, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return pgDSN{}, invalidf("database: must be sqlite or postgres://user:password@host/database, with special characters as %%XX")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return pgDSN{}, invalidf("database: options after ? cannot be read: write name=value, joined with &")
	}
	opt := func(name string) string {
		v := q.Get(name)
		q.Del(name)
		return v
	}
	d := pgDSN{user: u.User.Username(), name: strings.TrimPrefix(u.Path, "/"), app: opt("application_name"), dialTimeout: 5 * time.Second}
	d.password, _ = u.User.Password()
	setDefault(&d.user, "postgres")
	setDefault(&d.name, d.user)
	setDefault(&d.app, "takhost")

	host, port := u.Hostname(), u.Port()
	setDefault(&port, "5432")
	d.network, d.addr = "tcp", net.JoinHostPort(host, port)
	if h := opt("host"); h != "" && filepath.IsAbs(h) {
		d.network, d.addr = "unix", filepath.Join(h, ".s.PGSQL."+port)
	} else if h != "" {
		host, d.addr = h, net.JoinHostPort(h, port)
	}
	if d.network == "tcp" && host == "" {
		return pgDSN{}, invalidf("database: names no host: write postgres://user:password@host/database")
	}
	if s := opt("connect_timeout"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > 3600 {
			return pgDSN{}, invalidf("database: connect_timeout: must be 1 to 3600 seconds")
		}
		d.dialTimeout = time.Duration(n) * time.Second
	}
	d.tls, err = pgTLS(opt("sslmode"), opt("sslrootcert"), opt("sslcert"), opt("sslkey"), host, d.network == "unix")
	if err != nil {
		return pgDSN{}, err
	}
	for name := range q {
		return pgDSN{}, invalidf("database: unknown option %q", name[:min(len(name), 32)])
	}
	return d, nil
}

// pgTLS makes the TLS settings. Unlike libpq's, ours has no mode that takes any
// certificate: "require" checks as verify-full does. Without a mode, only what
// does not leave the machine goes in the clear.
func pgTLS(mode, root, cert, key, host string, unix bool) (*tls.Config, error) {
	if mode == "" {
		mode = "verify-full"
		ip := net.ParseIP(host)
		if unix || root == "" && (host == "localhost" || ip != nil && ip.IsLoopback()) {
			mode = "disable"
		}
	}
	conf := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	switch mode {
	case "disable":
		return nil, nil
	case "require", "verify-full":
	case "verify-ca":
		// Go checks chain and name together, so the check of the chain alone
		// stands in the place of its own.
		conf.InsecureSkipVerify = true
		conf.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, conf.RootCAs) }
	default:
		return nil, invalidf("database: sslmode %q: must be disable, require, verify-ca or verify-full", mode[:min(len(mode), 32)])
	}
	if unix {
		return nil, invalidf("database: sslmode %s: PostgreSQL has no TLS on unix sockets; leave it out", mode)
	}
	if root != "" && root != "system" {
		pem, err := os.ReadFile(root)
		if err != nil {
			return nil, fmt.Errorf("database: sslrootcert: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, invalidf("database: sslrootcert: %s holds no certificate in PEM", root)
		}
	}
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("database: sslcert and sslkey: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}

// isTLS says whether err is about certificates or about a server without TLS.
func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	return errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &name) ||
		strings.Contains(err.Error(), "SSL is not enabled")
}
