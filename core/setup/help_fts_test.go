package setup

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// Uids of the users of a made-up FreeTAKServer.
const (
	annUID  = "7b0f3d52-3e9b-4b7e-9d0a-0d2a4c7f8a01"
	ann2UID = "7b0f3d52-3e9b-4b7e-9d0a-0d2a4c7f8a02"
	benUID  = "7b0f3d52-3e9b-4b7e-9d0a-0d2a4c7f8a03"
	oddUID  = "7b0f3d52-3e9b-4b7e-9d0a-0d2a4c7f8a04"
	goneUID = "7b0f3d52-3e9b-4b7e-9d0a-0d2a4c7f8a05"
)

const (
	annToken  = "anns-own-old-token-0001"
	annPasswd = "correct horse battery"
	nodeToken = "node-red-has-this-one-too"
	p12Passwd = "supersecret"
)

// ftsServer is the folder of a FreeTAKServer.
type ftsServer struct {
	t   *testing.T
	dir string
}

// newFTS makes one with users (spec/persistence.md 2), and, with certs, with what
// openssl makes of spec/certs.md.
func newFTS(t *testing.T, certs bool) *ftsServer {
	t.Helper()
	f := &ftsServer{t, t.TempDir()}
	f.write("FTSConfig.yaml", fmt.Sprintf(`
System:
  FTS_DATABASE_TYPE: SQLite
  FTS_CONNECTION_MESSAGE: Welcome
  FTS_NODE_ID: 0123456789abcdefghijklmnopqrstuv
  FTS_NUM_ROUTING_WORKERS: 3
Addresses:
  FTS_COT_PORT: 18087
  FTS_SSLCOT_PORT: 8089
  FTS_DP_ADDRESS: 192.0.2.2
  FTS_USER_ADDRESS: tak.example.org
  FTS_API_PORT: 19023
  FTS_API_ADDRESS: 0.0.0.0
  FTS_CLI_WHITELIST: [127.0.0.1, 10.0.0.1]
Filesystem:
  FTS_PERSISTENCE_PATH: %s
  FTS_LOG_LEVEL: error
  FTS_COT_TO_DB: true
  FTS_SOMETHING_NEW: 1
Certs:
  FTS_CLIENT_CERT_PASSWORD: supersecret
Elsewhere: nonsense
`, f.dir))
	f.database(
		`INSERT INTO SystemUser VALUES ('1', 'admin', 'token', 'password', 'True', 'mobile', NULL)`,
		fmt.Sprintf(`INSERT INTO SystemUser VALUES ('%s', 'ann', '%s', '%s', 'Yellow', 'WinTAK', 'ann%s.zip')`, annUID, annToken, annPasswd, annUID),
		fmt.Sprintf(`INSERT INTO SystemUser VALUES ('%s', 'Ann', 'the-other-anns-token-9', '%s', 'Cyan', 'mobile', NULL)`, ann2UID, annPasswd),
		fmt.Sprintf(`INSERT INTO SystemUser VALUES ('%s', 'ben', '12345678', 'short', NULL, NULL, NULL)`, benUID),
		fmt.Sprintf(`INSERT INTO SystemUser VALUES ('%s', 'o/dd, one ', 'token', NULL, 'Red', 'mobile', NULL)`, oddUID),
		`INSERT INTO APIUsers VALUES (1, 'node', '`+nodeToken+`', NULL)`,
		`INSERT INTO APIUsers VALUES (2, 'ben', 'shared-by-two-programs-1', NULL)`,
		`INSERT INTO APIUsers VALUES (3, 'twice', '`+nodeToken+`', NULL)`,
	)
	if certs {
		f.certificates()
	}
	return f
}

func (f *ftsServer) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *ftsServer) database(statements ...string) {
	f.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(f.dir, "FTSDataBase.db"))
	if err != nil {
		f.t.Fatal(err)
	}
	defer db.Close()
	for _, s := range append([]string{
		`CREATE TABLE IF NOT EXISTS "SystemUser" (uid VARCHAR(80) NOT NULL PRIMARY KEY, name VARCHAR(15) NOT NULL, token VARCHAR(30), password VARCHAR(30),
			"group" VARCHAR(15), device_type VARCHAR(30), certificate_package_name VARCHAR(30))`,
		`CREATE TABLE IF NOT EXISTS "APIUsers" ("PrimaryKey" INTEGER PRIMARY KEY, "Username" VARCHAR(100) NOT NULL UNIQUE, "Token" VARCHAR(100) NOT NULL, uid VARCHAR)`,
	}, statements...) {
		if _, err := db.Exec(s); err != nil {
			f.t.Fatalf("%s: %v", s, err)
		}
	}
}

// openssl runs it in the folder of the certificates.
func (f *ftsServer) openssl(args ...string) {
	f.t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		f.t.Skip("left out: the certificates of a FreeTAKServer (apt-get install openssl)")
	}
	cmd := exec.CommandContext(f.t.Context(), "openssl", args...)
	cmd.Dir = filepath.Join(f.dir, "certs")
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

const subject = "/ST=Nova Scotia/C=CA/O=FreeTAKServer/OU=Core Dev/L=Halifax"

func (f *ftsServer) certificates() {
	f.t.Helper()
	f.write("certs/openssl.cnf", "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n"+
		"[lists]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=100\n")
	f.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "365", "-config", "openssl.cnf", "-extensions", "ca", "-subj", "/CN=8157346211345"+subject)
	for i, name := range []string{"server", "Client", "ann" + annUID, "gone" + goneUID, "ben" + benUID, "stranger"} {
		f.leaf(name, fmt.Sprintf("0x1234567890abcde%d", i), "ca")
	}
	f.write("certs/index.txt", "R\t360101000000Z\t260601000000Z\t1234567890ABCDE3\tunknown\t/CN=gone\n"+
		"R\t360101000000Z\t260601000000Z\t1234567890ABCDE4\tunknown\t/CN=ben\n")
	f.openssl("ca", "-config", "openssl.cnf", "-name", "lists", "-gencrl", "-keyfile", "ca.key", "-cert", "ca.pem", "-out", "FTS_CRL.json")
	for _, name := range []string{"openssl.cnf", "index.txt", "gone" + goneUID + ".pem"} {
		if err := os.Rename(filepath.Join(f.dir, "certs", name), filepath.Join(f.dir, "certs", "."+name)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// leaf makes a certificate of an authority, with its PKCS#12 file.
func (f *ftsServer) leaf(name, serial, ca string) {
	f.t.Helper()
	f.openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", name+".key", "-out", name+".csr", "-config", "openssl.cnf", "-subj", "/CN="+name+subject)
	f.openssl("x509", "-req", "-in", name+".csr", "-CA", ca+".pem", "-CAkey", ca+".key", "-set_serial", serial, "-days", "365", "-out", name+".pem")
	f.openssl("pkcs12", "-export", "-in", name+".pem", "-inkey", name+".key", "-certfile", ca+".pem", "-out", name+".p12", "-passout", "pass:"+p12Passwd,
		"-certpbe", "PBE-SHA1-3DES", "-keypbe", "PBE-SHA1-3DES", "-macalg", "sha1")
}

// state tells all that is in a folder, with modes and times.
func state(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprint(info.Mode(), info.ModTime())
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(b))
		}
		all[path] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
