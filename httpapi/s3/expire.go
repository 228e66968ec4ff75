package s3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// Expired says what a pass of Expire has ended.
type Expired struct {
	Buckets  int   // that have a lifecycle
	Objects  int64 // current versions that were removed, or got a delete marker
	Versions int64 // others that were removed, delete markers among them
	Uploads  int64 // that were aborted
	Bytes    int64 // of what was removed for good
}

// expirePage is how many versions are looked at, and ended, at a time.
const expirePage = 1000

// Expire ends what the lifecycles of all buckets say is over by now: one pass.
// An object that somebody replaces meanwhile stays, and so does what is locked. It
// goes on with the next bucket when one fails, and returns all errors at its end.
func (s *Server) Expire(ctx context.Context) (Expired, error) {
	var done Expired
	infos, err := s.Files.Buckets(ctx, "", nil, "", "", 0)
	if err != nil {
		return done, fmt.Errorf("s3: expire: %w", err)
	}
	var failed error
	for i := range infos {
		if _, ok := infos[i].Documents[docLifecycle]; !ok {
			continue
		}
		done.Buckets++
		if err := s.expireBucket(ctx, infos[i], &done); err != nil {
			failed = errors.Join(failed, fmt.Errorf("s3: expire in bucket %s: %w", infos[i].Name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return done, failed
}

// ExpireEvery is how often a pass makes sense: a tenth of a lifecycle's day, at
// least a second and at most an hour.
func (s *Server) ExpireEvery() time.Duration {
	day := s.LifecycleDay
	if day == 0 {
		day = 24 * time.Hour
	}
	return min(max(day/10, time.Second), time.Hour)
}

func (s *Server) expireBucket(ctx context.Context, info filestore.BucketInfo, done *Expired) error {
	l, err := s.lifecycleOf(info)
	if err != nil {
		return err
	}
	b, err := s.Files.Bucket(ctx, info.Name)
	if errors.Is(err, kind.NotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	p := &expiry{s: s, b: b, rules: l, clock: settings.Clock{Day: s.LifecycleDay}, now: s.now(), done: done}
	if l.AbortsAny() {
		err = p.uploads(ctx)
	}
	if l.AgesVersions() {
		err = errors.Join(err, p.versions(ctx))
	}
	return err
}

// expiry is a pass over one bucket.
type expiry struct {
	s     *Server
	b     *filestore.Bucket
	rules *settings.Lifecycle
	clock settings.Clock
	now   time.Time
	done  *Expired

	last    *filestore.Object // the version before, of whichever key
	count   int               // of versions of its key up to it
	pending []ended
}

// ended is something whose time is over.
type ended struct {
	object  filestore.Object
	rule    string
	request filestore.DeleteRequest
}

func (p *expiry) versions(ctx context.Context) error {
	o := filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: expirePage, Meta: true}}
	for {
		page, err := p.b.ListVersions(ctx, o)
		if err != nil {
			return err
		}
		for i := range page.Items {
			p.judge(&page.Items[i].Object)
		}
		if !page.Truncated {
			p.judge(nil)
		}
		if err := p.flush(ctx); err != nil || !page.Truncated {
			return err
		}
		o.After, o.VersionAfter = page.Next, page.NextVersion
	}
}

// judge takes the next version of the list, nil behind its end. A version is
// judged when the next one is known, since a delete marker's end depends on it.
func (p *expiry) judge(next *filestore.Object) {
	same := next != nil && p.last != nil && next.Key == p.last.Key
	if last := p.last; last != nil && last.Latest {
		v := aged(last)
		v.Alone = p.count == 1 && !same
		p.end(last, v)
	}
	if next == nil {
		return
	}
	if !same {
		p.count = 0
	}
	if same && !next.Latest {
		v := aged(next)
		v.Current, v.Since, v.Newer = false, next.Superseded, p.count-1
		if v.Since.IsZero() {
			v.Since = aged(p.last).Mtime // when what took its place was put there
		}
		p.end(next, v)
	}
	p.last, p.count = next, p.count+1
}

// end notes o for removal if its time is over.
func (p *expiry) end(o *filestore.Object, v settings.Aged) {
	when, rule, ok := p.rules.Expires(v, p.clock)
	if !ok || when.After(p.now) {
		return
	}
	r := filestore.DeleteRequest{Key: o.Key}
	if o.Latest && !o.DeleteMarker {
		// Whoever replaces it now keeps what he has put.
		r.If = filestore.Conditions{Match: []string{o.ETag}, Mtime: o.Mtime}
	} else {
		r.Version = o.Version
	}
	p.pending = append(p.pending, ended{*o, rule, r})
}

// flush removes what is noted.
func (p *expiry) flush(ctx context.Context) error {
	if len(p.pending) == 0 {
		return nil
	}
	requests := make([]filestore.DeleteRequest, len(p.pending))
	for i := range p.pending {
		requests[i] = p.pending[i].request
	}
	var failed error
	for i, result := range p.b.DeleteObjects(ctx, requests) {
		e := &p.pending[i]
		switch {
		case errors.Is(result.Err, kind.NotExist), errors.Is(result.Err, kind.Precondition), errors.Is(result.Err, kind.Denied):
			continue
		case result.Err != nil:
			failed = errors.Join(failed, result.Err)
			continue
		}
		if e.object.Latest && !e.object.DeleteMarker {
			p.done.Objects++
		} else {
			p.done.Versions++
		}
		if !result.Marker {
			p.done.Bytes += e.object.Size
		}
		p.record(audit.Remove, "Expire", e.object.Key, e.rule)
	}
	p.pending = p.pending[:0]
	return failed
}

func (p *expiry) uploads(ctx context.Context) error {
	o := filestore.ListUploadsOptions{Max: expirePage}
	for {
		page, err := p.b.Uploads(ctx, o)
		if err != nil {
			return err
		}
		for i := range page.Items {
			u := &page.Items[i].Upload
			when, rule, ok := p.rules.Aborts(u.Key, u.Initiated, p.clock)
			if !ok || when.After(p.now) {
				continue
			}
			if err := p.b.AbortUpload(ctx, u.Key, u.ID); err != nil {
				if errors.Is(err, kind.NotExist) {
					continue
				}
				return err
			}
			p.done.Uploads++
			p.record(audit.Remove, "ExpireUpload", u.Key, rule)
		}
		if !page.Truncated {
			return nil
		}
		o.After, o.UploadAfter = page.Next, page.NextUpload
	}
}

// record tells what the lifecycle did: nobody asked for it, so the account is
// empty.
func (p *expiry) record(op audit.Op, request, key, rule string) {
	if p.s.Audit == nil {
		return
	}
	err := p.s.Audit.Record(audit.Record{
		Service: audit.S3, Op: op, Request: request, Path: "/" + p.b.Name() + "/" + key, Detail: "lifecycle rule " + rule,
	})
	if err != nil && p.s.Log != nil {
		p.s.Log.Log(context.Background(), slog.LevelError, "no record kept", "error", err)
	}
}
