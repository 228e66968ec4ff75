// Command account-server is an account server to start from: it answers the
// question that truckee's accounts.url asks (and Tahoe-LAFS's SFTP frontend
// asked), out of a file with lines
//
//	NAME BCRYPT-HASH ROOTCAP
//
// that is read again for every question. Replace lookup by your directory
// service or database, keep the rest.
//
//	account-server -listen 127.0.0.1:8443 -cert cert.pem -key key.pem -users users
//
// A hash: htpasswd -nbB NAME PASSWORD. The users file holds capabilities, so
// nobody else may read it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8443", "`address` to listen on")
	cert := flag.String("cert", "", "PEM `file` of the certificate; none: plain HTTP, for loopback only")
	key := flag.String("key", "", "PEM `file` of the certificate's key")
	users := flag.String("users", "users", "`file` with lines NAME BCRYPT-HASH ROOTCAP")
	flag.Parse()
	if err := serve(*listen, *cert, *key, *users); err != nil {
		log.Fatal("account-server: ", err)
	}
}

func serve(listen, cert, key, users string) error {
	if st, err := os.Stat(users); err != nil {
		return err
	} else if st.Mode()&0o077 != 0 {
		return fmt.Errorf("%s holds capabilities and can be read by others: run chmod 600 on it", users)
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	if addr, ok := l.Addr().(*net.TCPAddr); cert == "" && ok && !addr.IP.IsLoopback() {
		return errors.New("without -cert it listens on loopback addresses only: passwords would cross the network in the clear")
	}
	srv := &http.Server{Handler: handler(users), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	log.Print("listening on ", l.Addr())
	if cert == "" {
		return srv.Serve(l)
	}
	return srv.ServeTLS(l, cert, key)
}

// handler answers with the root capability, or 0. It says no more than that:
// neither whether the name exists nor why it was refused.
func handler(users string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		if r.Method != http.MethodPost || r.ParseMultipartForm(16<<10) != nil || r.PostFormValue("action") != "authenticate" {
			http.Error(w, "POST multipart/form-data with action=authenticate, email and passwd", http.StatusBadRequest)
			return
		}
		root, err := lookup(users, r.PostFormValue("email"), r.PostFormValue("passwd"))
		if err != nil { // not a refusal: the gateway must not take it for one
			log.Print("lookup: ", err)
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "no-store")
		if root == "" {
			root = "0"
		}
		_, _ = io.WriteString(w, root)
	})
}

// unknown is compared with for names that don't exist, so that the time an
// answer takes doesn't tell which do.
var unknown = []byte("$2a$10$7EqJtq98hPqEX7fNZaFWoOhi5B0aX5ZQOaX6Mq0CByFXi4qXo4oOa")

// lookup returns the root capability of a name, or "" if the password is wrong
// or the name is not there.
func lookup(users, name, password string) (root string, err error) {
	text, err := os.ReadFile(users)
	if err != nil {
		return "", err
	}
	hash := unknown
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && !strings.HasPrefix(line, "#") && f[0] == name {
			hash, root = []byte(f[1]), f[2]
		}
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil {
		return "", nil
	}
	return root, nil
}
