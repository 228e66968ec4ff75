package swift_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/blockstore/blockstoretest"
	"github.com/truckee-fs/truckee/blockstore/storecheck"
	driver "github.com/truckee-fs/truckee/blockstore/swift"
	"github.com/truckee-fs/truckee/internal/kind"
)

// An operator who mistyped something is told what, and the password is not.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	good := options(t)
	for what, tt := range map[string]struct {
		change func(*driver.Options)
		want   kind.Kind
		says   []string
	}{
		"no such container": {func(o *driver.Options) { o.Container = "nobody-made-this" }, kind.NotExist, []string{"nobody-made-this", "create it"}},
		"wrong password":    {func(o *driver.Options) { o.Password = "a-wrong-password" }, kind.Denied, []string{good.AuthURL, "check user, password"}},
		"wrong tenant":      {func(o *driver.Options) { o.Tenant = "nobody" }, kind.Denied, []string{good.AuthURL, "check user, password"}},
		"nobody there":      {func(o *driver.Options) { o.AuthURL = "http://127.0.0.1:1/v1.0" }, kind.Unavailable, []string{"127.0.0.1:1", "refused"}},
		"https expected":    {func(o *driver.Options) { o.AuthURL = strings.TrimPrefix(o.AuthURL, "http://") }, kind.Unavailable, []string{"https://"}},
	} {
		bad := good
		tt.change(&bad)
		s, err := driver.Open(t.Context(), bad)
		if err == nil {
			s.Close()
		}
		if kind.Of(err) != tt.want {
			t.Errorf("%s: %v, want kind %v", what, err, tt.want)
			continue
		}
		for _, words := range tt.says {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("%s: %q does not say %q", what, err, words)
			}
		}
		if strings.Contains(err.Error(), bad.Password) {
			t.Errorf("%s: %q shows the password", what, err)
		}
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for what, o := range map[string]driver.Options{
		"no container":             {AuthURL: "http://127.0.0.1:1/v1.0"},
		"a path for a container":   {AuthURL: "http://127.0.0.1:1/v1.0", Container: "a/b"},
		"another scheme":           {AuthURL: "ftp://127.0.0.1:1/v1.0", Container: "c"},
		"password in the address":  {AuthURL: "http://me:hunter22@127.0.0.1:1/v1.0", Container: "c"},
		"no version":               {AuthURL: "http://127.0.0.1:1/identity", Container: "c"},
		"a version that isn't one": {AuthURL: "http://127.0.0.1:1/v7", Container: "c"},
		"no such CA file":          {AuthURL: "https://127.0.0.1:1/v3", Container: "c", CAFile: "/nowhere.pem"},
	} {
		if _, err := driver.Open(t.Context(), o); kind.Of(err) != kind.Invalid || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Auth v1 has one name for tenant and user; both orders that are about work.
func TestAuthV1Names(t *testing.T) {
	t.Parallel()
	o := options(t)
	whole, swapped := o, o
	whole.Tenant, whole.User = "", o.Tenant+":"+o.User
	swapped.Tenant, swapped.User = o.User, o.Tenant // as Parsec's string would name them
	for _, o := range []driver.Options{whole, swapped} {
		s, err := driver.Open(t.Context(), o)
		if err != nil {
			t.Errorf("tenant %q, user %q: %v", o.Tenant, o.User, err)
			continue
		}
		s.Close()
	}
}

// keystone is an identity service that knows one user, and stands in front of
// the real Swift, whose token is behind those that it gives out.
type keystone struct {
	t       *testing.T
	o       driver.Options
	swift   *httputil.ReverseProxy
	storage string // the real address
	real    string // the real token

	mu     sync.Mutex // guards the fields below
	logins int
	valid  map[string]bool // tokens
	*httptest.Server
}

func newKeystone(t *testing.T, o driver.Options) *keystone {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.AuthURL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-User", o.Tenant+":"+o.User)
	req.Header.Set("X-Auth-Key", o.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	u, err := url.Parse(resp.Header.Get("X-Storage-Url"))
	if err != nil {
		t.Fatal(err)
	}
	k := &keystone{t: t, o: o, storage: u.Path, real: resp.Header.Get("X-Auth-Token"), valid: map[string]bool{}}
	k.swift = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host
		r.Out.Header.Set("X-Auth-Token", k.real)
	}}
	k.Server = httptest.NewServer(k)
	t.Cleanup(k.Close)
	return k
}

// token logs in.
func (k *keystone) token() (storage, token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.logins++
	token = fmt.Sprintf("tk-%d", k.logins)
	k.valid[token] = true
	return k.URL + k.storage, token
}

// revoke ends every token, and counts the logins so far.
func (k *keystone) revoke() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.valid)
	return k.logins
}

func (k *keystone) knows(token string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.valid[token]
}

func (k *keystone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/v1/") && k.knows(r.Header.Get("X-Auth-Token")) {
		k.swift.ServeHTTP(w, r)
		return
	}
	expires := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	var v2 struct {
		Auth struct {
			TenantName          string
			PasswordCredentials struct{ Username, Password string }
		}
	}
	type named struct {
		Name, Password string
		Domain         struct{ Name string }
	}
	var v3 struct {
		Auth struct {
			Identity struct{ Password struct{ User named } }
			Scope    struct{ Project named }
		}
	}
	switch r.URL.Path {
	case "/v1.0":
		if r.Header.Get("X-Auth-User") != "proj:who" || r.Header.Get("X-Auth-Key") != "the-password" {
			break
		}
		storage, token := k.token()
		w.Header().Set("X-Storage-Url", storage)
		w.Header().Set("X-Auth-Token", token)
		return
	case "/v2.0/tokens":
		if json.NewDecoder(r.Body).Decode(&v2) != nil || v2.Auth.TenantName != "proj" || v2.Auth.PasswordCredentials.Username != "who" || v2.Auth.PasswordCredentials.Password != "the-password" {
			break
		}
		storage, token := k.token()
		fmt.Fprintf(w, `{"access": {"token": {"id": %q, "expires": %q}, "serviceCatalog": [{"type": "object-store", "endpoints": [
			{"region": "elsewhere", "publicURL": "http://127.0.0.1:1"}, {"region": "here", "publicURL": %q}]}]}}`, token, expires, storage)
		return
	case "/v3/auth/tokens":
		if json.NewDecoder(r.Body).Decode(&v3) != nil {
			break
		}
		user, project := v3.Auth.Identity.Password.User, v3.Auth.Scope.Project
		if user.Name != "who" || user.Password != "the-password" || user.Domain.Name != "people" || project.Name != "proj" || project.Domain.Name != "projects" {
			break
		}
		storage, token := k.token()
		w.Header().Set("X-Subject-Token", token)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token": {"expires_at": %q, "catalog": [{"type": "object-store", "endpoints": [
			{"interface": "public", "region": "elsewhere", "url": "http://127.0.0.1:1"},
			{"interface": "internal", "region": "here", "url": "http://127.0.0.1:1"},
			{"interface": "public", "region": "here", "url": %q}]}]}}`, expires, storage)
		return
	}
	http.Error(w, `{"error": {"message": "no, the-password is wrong"}}`, http.StatusUnauthorized)
}

// at is how to log in at a keystone by a version of authentication.
func (k *keystone) at(version string) driver.Options {
	o := driver.Options{AuthURL: k.URL + "/" + version, Container: k.o.Container, Tenant: "proj", User: "who", Password: "the-password"}
	if version != "v1.0" {
		o.Region = "here"
	}
	if version == "v3" {
		o.Domain, o.ProjectDomain = "people", "projects"
	}
	return o
}

func TestAuthVersions(t *testing.T) {
	t.Parallel()
	k := newKeystone(t, options(t))
	for _, version := range []string{"v1.0", "v2.0", "v3"} {
		o := k.at(version)
		s, err := driver.Open(t.Context(), o)
		if err != nil {
			t.Errorf("%s: %v", version, err)
			continue
		}
		id, block := storecheck.Chunk(10_000)
		if err := s.Put(t.Context(), id, block); err != nil {
			t.Error(err)
		}
		blockstoretest.Expect(t, s, map[blockstore.ID][]byte{id: block})
		if err := s.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
		s.Close()
		o.Password = "another"
		if _, err := driver.Open(t.Context(), o); kind.Of(err) != kind.Denied || strings.Contains(err.Error(), "the-password") {
			t.Errorf("%s with a wrong password: %v", version, err)
		}
	}
	o := k.at("v3")
	o.Region = "nowhere"
	if _, err := driver.Open(t.Context(), o); err == nil {
		t.Error("a region that isn't in the catalog")
	}
}

// Tokens that end amid many calls are replaced, and none of the calls fails.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1.0", "v3"} {
		k := newKeystone(t, options(t))
		s, err := driver.Open(t.Context(), k.at(version))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := range 4 {
					id, block := storecheck.Chunk(50_000)
					if err := s.Put(t.Context(), id, block); err != nil {
						t.Error(err)
					}
					if i == 2 && worker == 0 {
						k.revoke()
					}
					if got, err := s.Get(t.Context(), id); err != nil || string(got) != string(block) {
						t.Errorf("%d bytes, %v", len(got), err)
					}
				}
			})
		}
		wg.Wait()
		if n := k.revoke(); n < 2 {
			t.Errorf("%s: %d logins", version, n)
		}
		s.Close()
	}
}

// Tokens that never work are no endless loop.
func TestTokensThatAreNone(t *testing.T) {
	t.Parallel()
	k := newKeystone(t, options(t))
	k.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-Storage-Url", k.URL+k.storage)
		w.Header().Set("X-Auth-Token", "tk")
	})
	if _, err := driver.Open(t.Context(), k.at("v1.0")); kind.Of(err) != kind.Denied {
		t.Errorf("with tokens that are none: %v", err)
	}
}

// A service that sends elsewhere gets neither the password nor a token there.
func TestFollowsNoRedirection(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("followed") }))
	defer elsewhere.Close()
	here := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/v1.0", http.StatusTemporaryRedirect))
	defer here.Close()
	_, err := driver.Open(t.Context(), driver.Options{AuthURL: here.URL + "/v1.0", Container: "c", User: "who", Password: "the-password"})
	if u, _ := url.Parse(elsewhere.URL); err == nil || !strings.Contains(err.Error(), u.Host) {
		t.Errorf("%v", err)
	}
}

// A container that is gone is no proof that a block is.
func TestContainerGone(t *testing.T) {
	t.Parallel()
	o := options(t)
	s := open(t, o)
	defer s.Close()
	c := client(o)
	if err := c.ContainerDelete(t.Context(), o.Container); err != nil {
		t.Fatal(err)
	}
	id, block := storecheck.Chunk(100)
	_, get := s.Get(t.Context(), id)
	_, stat := s.Stat(t.Context(), id)
	var list error
	for _, list = range s.List(t.Context(), blockstore.ID{}) {
	}
	_, marker := s.Marker(t.Context())
	for op, err := range map[string]error{"put": s.Put(t.Context(), id, block), "get": get, "stat": stat, "list": list, "marker": marker, "delete": s.Delete(t.Context(), id)} {
		if kind.Of(err) != kind.Unavailable {
			t.Errorf("%s: %v", op, err)
		}
	}
	if err := c.ContainerCreate(t.Context(), o.Container, nil); err != nil {
		t.Fatal(err)
	}
}
