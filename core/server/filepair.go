package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often handshakes look whether the files of a certificate
// have changed.
const lookEvery = 2 * time.Second

// filePair is a certificate whose files the operator renews while the server
// runs.
type filePair struct {
	cert, key string
	log       *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	stamp  [2]time.Time // of the files when they were loaded, or found to be bad
	looked time.Time
}

func openPair(cert, key string, log *slog.Logger) (*filePair, error) {
	p := &filePair{cert: cert, key: key, log: log}
	var err error
	if p.stamp, err = p.stamps(); err != nil {
		return nil, err
	}
	p.loaded, err = p.load()
	return p, err
}

func (p *filePair) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", p.cert, p.key, err)
	}
	return &pair, nil
}

func (p *filePair) stamps() (stamp [2]time.Time, err error) {
	for i, file := range []string{p.cert, p.key} {
		info, err := os.Stat(file)
		if err != nil {
			return stamp, err
		}
		stamp[i] = info.ModTime()
	}
	return stamp, nil
}

// certificate gives the newest pair that fits. While the files are being
// written, or are bad, the one before stays.
func (p *filePair) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.looked) >= lookEvery {
		p.looked = now
		if stamp, err := p.stamps(); err == nil && stamp != p.stamp {
			next, err := p.load()
			p.stamp = stamp
			if err != nil {
				p.log.Error("the new certificate of listen.web cannot be used, the one before stays", slog.Any("err", err))
			} else {
				p.loaded = next
				p.log.Info("the certificate of listen.web was read again", slog.String("file", p.cert))
			}
		}
	}
	return p.loaded, nil
}
