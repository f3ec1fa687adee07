package takclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// selfSigned gives a server certificate for 127.0.0.1 and the pool that trusts it.
func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLS(t *testing.T) {
	cert, pool := selfSigned(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			_, err = io.Copy(conn, conn)
			conn.Close()
		}
		served <- err
	}()
	c := Dial(t, ln.Addr().String(), WithTLS(&tls.Config{RootCAs: pool}), WithReadBuffer(8192))
	if state, ok := c.TLS(); !ok || !state.HandshakeComplete {
		t.Errorf("got TLS state %v, %v; want a finished handshake", state.HandshakeComplete, ok)
	}
	Must(t, c.Send(simple("1")))
	c.ExpectUID(t, "1")
	Must(t, c.StopReading())
	Must(t, c.Send(simple("2")))
	if n := c.CountUID("2"); n != 0 {
		t.Errorf("got %d events while stopped, want none", n)
	}
	Must(t, c.ResumeReading())
	c.ExpectUID(t, "2")
	Must(t, c.CloseWrite())
	if err := c.WaitClosed(t); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
	if err := <-served; err != nil {
		t.Errorf("server: %v", err)
	}
}

func TestTLSRefused(t *testing.T) {
	cert, _ := selfSigned(t)
	near, far := tcpPair(t)
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{cert}})
	runScript(t, server, func(net.Conn) error {
		if err := server.Handshake(); err == nil {
			t.Error("server: got no error for a client that does not trust it")
		}
		return nil
	})
	_, err := New(context.Background(), near, WithTLS(&tls.Config{ServerName: "127.0.0.1", RootCAs: x509.NewCertPool()}))
	if err == nil || !strings.Contains(err.Error(), "TLS handshake") {
		t.Errorf("got %v, want a handshake error", err)
	}
}
