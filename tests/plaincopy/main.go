// Command plaincopy is what the speed of uploads and downloads is compared with: the
// standard library's HTTP server, which copies bodies to files and files to answers,
// and does nothing else. PUT /name writes a file, GET /name gives it, DELETE /name
// removes it. It prints its address, and ends when its standard input does.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("dir", ".", "folder of the files")
	sync := flag.Bool("sync", false, "answer a PUT when the file survives a power cut")
	cert := flag.String("cert", "", "certificate, for HTTPS")
	key := flag.String("key", "", "its key")
	flag.Parse()
	if err := run(*dir, *sync, *cert, *key); err != nil {
		fmt.Fprintln(os.Stderr, "plaincopy:", err)
		os.Exit(1)
	}
}

func run(dir string, sync bool, cert, key string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	path := func(r *http.Request) string { return filepath.Join(dir, filepath.Base(r.PathValue("name"))) }
	mux.HandleFunc("PUT /{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := store(path(r), r.Body, sync); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path(r)) })
	mux.HandleFunc("DELETE /{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := os.Remove(path(r)); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	})
	srv := &http.Server{Handler: mux}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{pair}})
	}
	fmt.Println(ln.Addr())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	err = srv.Close()
	<-ended
	return err
}

func store(path string, from io.Reader, sync bool) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	if _, err := io.Copy(f, from); err != nil || !sync {
		return err
	}
	return f.Sync()
}
