package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/uptrace/bun/driver/pgdriver"
)

// errMissing marks what the machine lacks.
var errMissing = errors.New("not to be had here")

// Config is what a server of its own may have in particular.
type Config struct {
	// TLS: PEM files of the server's certificate and key; empty: no TLS.
	CertPEM, KeyPEM []byte
}

// Cluster is a PostgreSQL server in a temporary folder, listening on a loopback
// port that it keeps when it is stopped and started again.
type Cluster struct {
	bin, dir string
	port     int
	log      *os.File
	tls      bool

	cmd  *exec.Cmd
	done chan struct{} // closed when the server has ended
	err  error         // how; read after done
}

// NewCluster starts a server for one test, for which it may be stopped. The
// test is skipped where PostgreSQL is not installed.
func NewCluster(t testing.TB, conf Config) *Cluster {
	t.Helper()
	c, err := start(conf)
	if err != nil {
		leaveOut(t, err)
	}
	t.Cleanup(func() {
		if err := c.remove(); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return c
}

// findBin gives the folder of initdb and postgres.
func findBin() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian keeps it out of PATH
	if err != nil {
		return "", err
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		_, err1 := exec.LookPath(filepath.Join(dirs[i], "postgres"))
		_, err2 := exec.LookPath(filepath.Join(dirs[i], "initdb"))
		if err1 == nil && err2 == nil {
			return dirs[i], nil
		}
	}
	return "", fmt.Errorf("%w: no initdb and postgres in PATH or /usr/lib/postgresql", errMissing)
}

func start(conf Config) (c *Cluster, err error) {
	bin, err := findBin()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "takpg-")
	if err != nil {
		return nil, err
	}
	c = &Cluster{bin: bin, dir: dir, tls: conf.CertPEM != nil}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.remove())
		}
	}()
	if c.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		return nil, err
	}
	if c.tls {
		for name, pem := range map[string][]byte{"server.crt": conf.CertPEM, "server.key": conf.KeyPEM} {
			if err := os.WriteFile(filepath.Join(dir, name), pem, 0o600); err != nil {
				return nil, err
			}
		}
	}
	if err := giveAway(dir); err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	initdb.Dir = dir
	if err := demote(initdb); err != nil {
		return nil, err
	}
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	// Another program may take a free port before the server does: try again.
	for range 5 {
		if c.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = c.Start(); err == nil {
			return c, nil
		}
	}
	return nil, err
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Start runs the server again after Stop and waits until it answers.
func (c *Cluster) Start() error {
	args := []string{
		"-D", c.data(), "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(c.port),
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=32MB", "-c", "max_connections=100",
	}
	if c.tls {
		args = append(args, "-c", "ssl=on", "-c", "ssl_cert_file="+filepath.Join(c.dir, "server.crt"), "-c", "ssl_key_file="+filepath.Join(c.dir, "server.key"))
	}
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, c.log, c.log
	if err := demote(cmd); err != nil {
		return err
	}
	started := make(chan error, 1)
	c.cmd, c.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		// The server is told when the thread that started it ends, so that it
		// does not outlive a killed test: that thread must wait for it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
	}(c.done)
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := c.ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.done:
			log, _ := os.ReadFile(c.log.Name())
			return fmt.Errorf("postgres ended: %w: %s", c.err, log[max(0, len(log)-1000):])
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("postgres does not answer: %w", err), c.Stop())
		case <-time.After(50 * time.Millisecond): // it tells nobody when it is ready
		}
	}
}

func (c *Cluster) ping(ctx context.Context) error {
	conn, err := pgdriver.NewConnector(pgdriver.WithDSN(c.DSN("postgres"))).Connect(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Stop ends the server at once, as a crash of it would: clients lose their
// connections in the middle of whatever they do.
func (c *Cluster) Stop() error {
	if c.cmd == nil || c.cmd.Process == nil {
		return nil
	}
	if err := stopNow(c.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.done:
	case <-time.After(10 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
	c.cmd = nil
	return nil
}

func (c *Cluster) remove() error {
	err := c.Stop()
	if c.log != nil {
		err = errors.Join(err, c.log.Close())
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// DSN names a database of the server, without TLS unless options say otherwise.
func (c *Cluster) DSN(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", c.port, database)
}

// Addr is host and port of the server.
func (c *Cluster) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// Database gives the DSN of a fresh database, dropped when the test ends.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	return createDatabase(t, c.DSN("postgres"))
}
