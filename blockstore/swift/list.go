package swift

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ncw/swift/v2"

	"github.com/truckee-fs/truckee/blockstore"
	"github.com/truckee-fs/truckee/internal/kind"
	"github.com/truckee-fs/truckee/internal/transport"
)

// perPage is how many objects a listing asks for, perBatch how many blocks go
// into one request to delete. Swift allows 10000 of either by default; a slow
// server shall answer before the call is given up.
const (
	perPage  = 2000
	perBatch = 500
)

// maxAnswer bounds what is read of a listing, or of the answer to a batch.
const maxAnswer = 64 << 20

// List implements blockstore.Store, some thousand blocks a request. It holds no
// connection between two of them.
func (s *Store) List(ctx context.Context, after blockstore.ID) iter.Seq2[blockstore.Info, error] {
	return func(yield func(blockstore.Info, error) bool) {
		marker := ""
		if !after.IsZero() {
			marker = s.names.Block(after)
		}
		for {
			objects, err := s.page(ctx, marker, perPage)
			if err != nil {
				yield(blockstore.Info{}, err)
				return
			}
			for _, o := range objects {
				if o.Name <= marker {
					yield(blockstore.Info{}, fmt.Errorf("swift: list: %s lists objects out of the order of their names: %w", s.where, kind.Unsupported))
					return
				}
				marker = o.Name
				id, ok := s.names.ID(o.Name)
				if ok && !yield(blockstore.Info{ID: id, Size: o.Bytes}, nil) {
					return
				}
			}
			if len(objects) == 0 { // a page may be shorter than was asked for
				return
			}
		}
	}
}

type object struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// page lists objects of blocks with names above marker.
func (s *Store) page(ctx context.Context, marker string, limit int) ([]object, error) {
	r, err := s.begin(ctx, call{"list", "container " + s.container})
	if err != nil {
		return nil, err
	}
	defer r.end()
	q := url.Values{"format": {"json"}, "prefix": {s.names.Blocks()}, "limit": {strconv.Itoa(limit)}}
	if marker != "" {
		q.Set("marker", marker)
	}
	resp, err := r.do(swift.RequestOpts{Operation: http.MethodGet, Container: s.container, Parameters: q})
	if statusOf(err) == http.StatusNotFound {
		return nil, r.gone()
	}
	if err != nil {
		return nil, r.failed(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNoContent {
		return nil, nil
	}
	var objects []object
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&objects); err != nil {
		return nil, r.failed(fmt.Errorf("%w: the listing can't be read: %w", kind.Unavailable, err))
	}
	return objects, nil
}

// prove logs in and lists one object, which shows that the servers, the
// credentials and the container are right.
func (s *Store) prove(ctx context.Context) error {
	err := s.login(ctx)
	if err != nil {
		switch k := kind.Of(err); k {
		case kind.Denied:
			return kind.Errorf(k, "%s refuses user %q: check user, password, tenant and domain (%w)", s.where, s.conn.UserName, err)
		case kind.Unavailable:
			return kind.Errorf(k, "%s does not answer: %w", s.where, err)
		default:
			return fmt.Errorf("%s can't be used to log in: %w", s.where, err)
		}
	}
	_, err = s.page(ctx, "", 1)
	if err == nil {
		return nil
	}
	if herr := s.exists(ctx); kind.Of(herr) == kind.NotExist {
		return kind.Errorf(kind.NotExist, "there is no container %q (logged in at %s): create it, or correct its name in the configuration of the blockstore", s.container, s.where)
	}
	if kind.Of(err) == kind.Denied {
		return kind.Errorf(kind.Denied, "user %q may not list container %q: its ACL must allow it to read, write and list (%w)", s.conn.UserName, s.container, err)
	}
	return fmt.Errorf("container %q can't be used (logged in at %s): %w", s.container, s.where, err)
}

// exists is NotExist when the container isn't there.
func (s *Store) exists(ctx context.Context) error {
	r, err := s.begin(ctx, call{"stat", "container " + s.container})
	if err != nil {
		return err
	}
	defer r.end()
	if err := r.ask(); err != nil {
		return r.failed(err)
	}
	return nil
}

// login gets a token. It is called before anything else is.
func (s *Store) login(ctx context.Context) error {
	r, err := s.begin(ctx, call{"log", "in"})
	if err != nil {
		return err
	}
	defer r.end()
	err = s.conn.Authenticate(r.ctx)
	if n := statusOf(err); (n == http.StatusUnauthorized || n == http.StatusForbidden) && s.otherUser != "" {
		first := s.conn.UserName
		s.conn.UserName = s.otherUser
		if err = s.conn.Authenticate(r.ctx); err != nil {
			s.conn.UserName = first
		}
	}
	if err != nil {
		return r.failed(err)
	}
	return nil
}

// DeleteBatch implements blockstore.BatchDeleter, by Swift's bulk delete where
// the server says that it has it: one that hasn't would take the request for one
// about the whole account.
func (s *Store) DeleteBatch(ctx context.Context, ids []blockstore.ID) error {
	return s.batches.Delete(ctx, s, ids, perBatch, s.deleteBatch, func() {
		s.log.Info("the server deletes no batches: going on one by one", "server", s.where)
	})
}

func (s *Store) deleteBatch(ctx context.Context, ids []blockstore.ID) error {
	r, err := s.begin(ctx, call{"delete", fmt.Sprintf("%d blocks", len(ids))})
	if err != nil {
		return err
	}
	defer r.end()
	if err := s.offersBatches(r); err != nil {
		return err
	}
	var names bytes.Buffer
	for _, id := range ids {
		u := url.URL{Path: "/" + s.container + "/" + s.names.Block(id)}
		names.WriteString(u.EscapedPath() + "\n")
	}
	resp, err := r.do(swift.RequestOpts{
		Operation: http.MethodPost, Parameters: url.Values{"bulk-delete": {"1"}}, Body: transport.NewBody(names.Bytes()),
		Headers: swift.Headers{"Accept": "application/json", "Content-Type": "text/plain", "Content-Length": strconv.Itoa(names.Len())},
	})
	if err != nil {
		return r.failed(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Status string     `json:"Response Status"`
		Errors [][]string `json:"Errors"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return r.failed(fmt.Errorf("%w: the answer can't be read: %w", kind.Unavailable, err))
	}
	var errs []error
	for _, e := range answer.Errors {
		if len(e) != 2 {
			continue
		}
		if n := leadingNumber(e[1]); n != http.StatusNotFound {
			errs = append(errs, r.fail(kindOfStatus(n), e[0]+": "+e[1]))
		}
	}
	if n := leadingNumber(answer.Status); len(errs) == 0 && (n < 200 || n > 299) {
		errs = append(errs, r.fail(kindOfStatus(n), fmt.Sprintf("status %q", answer.Status)))
	}
	return errors.Join(errs...)
}

// offersBatches is Unsupported unless the server has bulk delete.
func (s *Store) offersBatches(r *request) error {
	if s.offered.Load() {
		return nil
	}
	info, err := s.conn.QueryInfo(r.ctx)
	if r.caller.Err() != nil {
		return r.failed(err)
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return r.failed(err)
	}
	if err != nil || !info.SupportsBulkDelete() { // or it doesn't tell
		return r.fail(kind.Unsupported, "no bulk delete")
	}
	s.offered.Store(true)
	return nil
}

// leadingNumber is the status that "404 Not Found" begins with, 500 without one.
func leadingNumber(text string) int {
	word, _, _ := strings.Cut(text, " ")
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	return http.StatusInternalServerError
}
