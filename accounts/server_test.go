package accounts_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/accounts"
	"github.com/truckee-fs/truckee/internal/kind"
)

// accountServer is a TLS server with an answer, and options that trust it.
func accountServer(t *testing.T, answer http.HandlerFunc) (*httptest.Server, accounts.ServerOptions) {
	t.Helper()
	srv := httptest.NewTLSServer(answer)
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = nil
	file := filepath.Join(t.TempDir(), "ca.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return srv, accounts.ServerOptions{CAFile: file}
}

func openServer(t *testing.T, url string, o accounts.ServerOptions) *accounts.Server {
	t.Helper()
	s, err := accounts.OpenServer(url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// The question is Tahoe-LAFS's to the letter: the three fields in their order,
// and nothing else.
func TestServerAsksAsTahoeDid(t *testing.T) {
	t.Parallel()
	want := root(1).Reveal()
	srv, o := accountServer(t, func(w http.ResponseWriter, r *http.Request) {
		mr, err := r.MultipartReader()
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/login" {
			t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
			return
		}
		var got []string
		for {
			p, err := mr.NextPart()
			if err == io.EOF {
				break
			}
			b, _ := io.ReadAll(p)
			got = append(got, p.FormName()+"="+string(b))
		}
		if fmt.Sprint(got) != `[action=authenticate email=zoë passwd=two words & more]` {
			t.Errorf("asked %q", got)
		}
		fmt.Fprintf(w, " \r\n%s\r\n", want)
	})
	s := openServer(t, srv.URL+"/login", o)
	a, err := s.Authenticate(t.Context(), "zoë", accounts.Password("two words & more"))
	if err != nil || a.Name != "zoë" || a.Root.Reveal() != want {
		t.Errorf("%v, %v", a.Name, err)
	}
}

func TestServerAnswers(t *testing.T) {
	t.Parallel()
	fileCap := "URI:LIT:krugkidfnzsc4"
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   kind.Kind
		text   string // in the log
	}{
		{"refused", answerText("0"), kind.Denied, ""},
		{"refused with white space", answerText("\n 0 \r\n"), kind.Denied, ""},
		{"nothing", answerText(""), kind.Unavailable, "neither 0 nor a capability"},
		{"a page", answerText("<html>login</html>"), kind.Unavailable, "neither 0 nor a capability"},
		{"a mistyped capability", answerText(root(1).Reveal()[:40]), kind.Unavailable, "neither 0 nor a capability"},
		{"a file's capability", answerText(fileCap), kind.Unavailable, "can't be the root"},
		{"a verify capability", func(w http.ResponseWriter, _ *http.Request) {
			v, _ := root(1).Read().Verify()
			io.WriteString(w, v.Reveal())
		}, kind.Unavailable, "can't be the root"},
		{"a long answer", answerText(strings.Repeat(" ", 1024) + "0"), kind.Unavailable, "more than 1024 bytes"},
		{"a refusal without status 200", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "0")
		}, kind.Unavailable, "status 503"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, kind.Unavailable, "a redirect"},
		{"a cut connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, kind.Unavailable, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv, o := accountServer(t, tt.answer)
			log := new(logBuffer)
			o.Log = slog.New(slog.NewTextHandler(log, nil))
			s := openServer(t, strings.Replace(srv.URL, "https://", "https://gateway:topsecret@", 1)+"/x?token=topsecret", o)
			_, err := s.Authenticate(t.Context(), "alice", accounts.Password("pass-of-alice"))
			if kind.Of(err) != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
			text := log.String()
			if !strings.Contains(text, tt.text) || tt.text == "" && text != "" {
				t.Errorf("log %q, want %q", text, tt.text)
			}
			if strings.Contains(text, "storage") {
				t.Errorf("log %q speaks of storage", text)
			}
			for _, secret := range []string{"topsecret", "pass-of-alice", "URI:", fileCap} {
				if strings.Contains(text, secret) || strings.Contains(fmt.Sprint(err), secret) {
					t.Errorf("%q is shown: %s, %v", secret, text, err)
				}
			}
		})
	}
}

func answerText(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func TestServerKnowsNoKeysAndNoBadNames(t *testing.T) {
	t.Parallel()
	srv, o := accountServer(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	s := openServer(t, srv.URL, o)
	wire, _ := edKey(t, 1)
	for name, c := range map[string]accounts.Credential{
		"alice":                  accounts.PublicKey(wire),
		"a b":                    accounts.Password("x"),
		strings.Repeat("a", 200): accounts.Password("x"),
		"bob":                    accounts.Password(bytes.Repeat([]byte("x"), accounts.MaxPassword+1)),
	} {
		if _, err := s.Authenticate(t.Context(), name, c); kind.Of(err) != kind.Denied {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

func TestServerTimesOut(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	srv, o := accountServer(t, func(_ http.ResponseWriter, r *http.Request) { <-release })
	defer close(release)
	log := new(logBuffer)
	o.Timeout, o.Log = 50*time.Millisecond, slog.New(slog.NewTextHandler(log, nil))
	s := openServer(t, srv.URL, o)
	if _, err := s.Authenticate(t.Context(), "alice", accounts.Password("x")); kind.Of(err) != kind.Unavailable {
		t.Errorf("a silent server: %v", err)
	}
	if !strings.Contains(log.String(), "no answer within 50ms") {
		t.Errorf("log %q", log.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Authenticate(ctx, "alice", accounts.Password("x")); kind.Of(err) != kind.Canceled {
		t.Errorf("a client that left: %v", err)
	}
}

func TestServerWantsATrustedCertificate(t *testing.T) {
	t.Parallel()
	srv, o := accountServer(t, func(http.ResponseWriter, *http.Request) { t.Error("asked") })
	o.CAFile = ""
	s := openServer(t, srv.URL, o)
	if _, err := s.Authenticate(t.Context(), "alice", accounts.Password("x")); kind.Of(err) != kind.Unavailable {
		t.Errorf("an unknown authority: %v", err)
	}
}

func TestServerURLs(t *testing.T) {
	t.Parallel()
	for url, ok := range map[string]bool{
		"https://accounts.example.org/login":        true,
		"http://127.0.0.1:8080/":                    true,
		"http://[::1]/":                             true,
		"http://localhost/login":                    true,
		"http://10.0.0.1/login":                     false,
		"http://127.0.0.1.example.org/":             false,
		"ftp://127.0.0.1/":                          false,
		"https:///login":                            false,
		"https:accounts.example.org":                false,
		"https://accounts.example.org/#login":       false,
		"https://user:pass word@a b.example.org/%z": false,
		"accounts.example.org":                      false,
		"":                                          false,
	} {
		_, err := accounts.OpenServer(url, accounts.ServerOptions{})
		if (err == nil) != ok || err != nil && (kind.Of(err) != kind.Invalid || strings.Contains(err.Error(), "pass word")) {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := accounts.OpenServer("http://10.0.0.1/", accounts.ServerOptions{Insecure: true}); err != nil {
		t.Errorf("insecure on purpose: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + ".missing"} {
		if _, err := accounts.OpenServer("https://example.org", accounts.ServerOptions{CAFile: file}); err == nil {
			t.Errorf("%s was accepted", file)
		}
	}
}

// What was granted is remembered, for that password, until the time is over or
// a refusal of the name comes, whatever password that one was for.
func TestServerRemembersGrantsUntilARefusal(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	srv, o := accountServer(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.FormValue("passwd") != "right" {
			io.WriteString(w, "0")
			return
		}
		io.WriteString(w, root(1).Reveal())
	})
	o.Remember = time.Hour
	s := openServer(t, srv.URL, o)
	for i, step := range []struct {
		password string
		want     kind.Kind
		asked    int32
	}{
		{"right", 0, 1},
		{"right", 0, 1},
		{"wrong", kind.Denied, 2},
		{"wrong", kind.Denied, 3}, // a refusal isn't remembered
		{"right", 0, 4},
		{"right", 0, 4},
	} {
		_, err := s.Authenticate(t.Context(), "alice", accounts.Password(step.password))
		if kind.Of(err) != step.want || asked.Load() != step.asked {
			t.Errorf("step %d: %v after %d questions", i, err, asked.Load())
		}
	}
}

// A grant that was under way when a refusal came is given, but not remembered.
func TestServerForgetsWhatARefusalOvertook(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	hold := make(chan struct{})
	under := make(chan struct{}, 1)
	srv, o := accountServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("passwd") != "right" {
			io.WriteString(w, "0")
			return
		}
		if asked.Add(1) == 1 {
			under <- struct{}{}
			<-hold
		}
		io.WriteString(w, root(1).Reveal())
	})
	o.Remember = time.Hour
	s := openServer(t, srv.URL, o)
	first := make(chan error, 1)
	go func() {
		_, err := s.Authenticate(context.WithoutCancel(t.Context()), "alice", accounts.Password("right"))
		first <- err
	}()
	<-under
	if _, err := s.Authenticate(t.Context(), "alice", accounts.Password("old")); kind.Of(err) != kind.Denied {
		t.Errorf("refused: %v", err)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Errorf("granted: %v", err)
	}
	if _, err := s.Authenticate(t.Context(), "alice", accounts.Password("right")); err != nil || asked.Load() != 2 {
		t.Errorf("%v after %d questions, want a second one", err, asked.Load())
	}
}

func TestServerRemembersNothingByDefault(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	srv, o := accountServer(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		io.WriteString(w, root(1).Reveal())
	})
	s := openServer(t, srv.URL, o)
	for range 2 {
		if _, err := s.Authenticate(t.Context(), "alice", accounts.Password("x")); err != nil {
			t.Fatal(err)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// A name that the file has is the file's alone.
func TestChainAsksTheFileFirst(t *testing.T) {
	t.Parallel()
	srv, o := accountServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("email") == "alice" {
			t.Error("the server was asked for the file's alice")
		}
		io.WriteString(w, root(2).Reveal())
	})
	path := filepath.Join(t.TempDir(), "accounts")
	if err := os.WriteFile(path, []byte("alice "+cheap+" "+root(1).Reveal()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := accounts.OpenFile(path, accounts.Options{})
	if err != nil {
		t.Fatal(err)
	}
	chain := accounts.Chain{File: file, Server: openServer(t, srv.URL, o)}
	if a, err := chain.Authenticate(t.Context(), "alice", accounts.Password("s3same")); err != nil || a.Root.Reveal() != root(1).Reveal() {
		t.Errorf("alice: %v", err)
	}
	if _, err := chain.Authenticate(t.Context(), "alice", accounts.Password("another")); kind.Of(err) != kind.Denied {
		t.Errorf("alice with another password: %v", err)
	}
	if a, err := chain.Authenticate(t.Context(), "bob", accounts.Password("x")); err != nil || a.Root.Reveal() != root(2).Reveal() {
		t.Errorf("bob: %v", err)
	}
}
