package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/takhost/takhost/core/config"
)

// serverTLS serves with the operator's certificate. TLS below 1.2 is no longer
// spoken by any client worth naming.
func serverTLS(files config.TLS) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.cert %s with tls.key %s: %w", files.Cert, files.Key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// clientTLS asks for client certificates as well.
func clientTLS(files config.TLS) (*tls.Config, error) {
	conf, err := serverTLS(files)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(files.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("tls.client_ca: %w", err)
	}
	conf.ClientCAs = x509.NewCertPool()
	if !conf.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.client_ca: no certificate in %s", files.ClientCA)
	}
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	return conf, nil
}

// listenError says what to do about an address that cannot be had.
func listenError(name, addr string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen.%s: another program uses %s: stop it, or set listen.%s to another address (port 0 takes a free one)", name, addr, name)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen.%s: no permission to use %s: ports below 1024 need root or CAP_NET_BIND_SERVICE", name, addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen.%s: this machine does not have the address of %s", name, addr)
	}
	return err
}
