package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/audit"
	"github.com/truckee-fs/truckee/internal/kind"
)

// walk is a pass's way through the versions and uploads of one bucket.
type walk struct {
	pass  *Pass
	b     *filestore.Bucket
	rules *settings.Lifecycle
	clock settings.Clock
	now   time.Time
	done  *Ended

	last    *filestore.Object // the version before, of whichever key
	count   int               // of versions of its key up to it
	pending []over
}

// over is something whose time is over.
type over struct {
	object  filestore.Object
	rule    string
	request filestore.DeleteRequest
}

func (w *walk) versions(ctx context.Context) error {
	o := filestore.VersionListOptions{ListOptions: filestore.ListOptions{Max: page, Meta: true}}
	for {
		found, err := w.b.ListVersions(ctx, o)
		if err != nil {
			return err
		}
		for i := range found.Items {
			w.judge(&found.Items[i].Object)
		}
		if !found.Truncated {
			w.judge(nil)
		}
		if err := w.flush(ctx); err != nil || !found.Truncated {
			return err
		}
		o.After, o.VersionAfter = found.Next, found.NextVersion
	}
}

// judge takes the next version of the list, nil behind its end. A version is
// judged when the next one is known, since a delete marker's end depends on it.
func (w *walk) judge(next *filestore.Object) {
	same := next != nil && w.last != nil && next.Key == w.last.Key
	if last := w.last; last != nil && last.Latest {
		v := Aged(last)
		v.Alone = w.count == 1 && !same
		w.end(last, v)
	}
	if next == nil {
		return
	}
	if !same {
		w.count = 0
	}
	if same && !next.Latest {
		v := Aged(next)
		v.Current, v.Since, v.Newer = false, next.Superseded, w.count-1
		if v.Since.IsZero() {
			v.Since = Aged(w.last).Mtime // when what took its place was put there
		}
		w.end(next, v)
	}
	w.last, w.count = next, w.count+1
}

// end notes o for removal if its time is over.
func (w *walk) end(o *filestore.Object, v settings.Aged) {
	when, rule, ok := w.rules.Expires(v, w.clock)
	if !ok || when.After(w.now) {
		return
	}
	r := filestore.DeleteRequest{Key: o.Key}
	// Whoever replaces it now keeps what he has put, in place of a null version, too;
	// and whoever makes a version current again keeps that.
	r.If.Version = &o.Version
	if o.Latest && !o.DeleteMarker {
		r.If.Match, r.If.Mtime = []string{o.ETag}, o.Mtime
	} else {
		r.Version, r.If.Noncurrent = o.Version, !o.Latest
	}
	w.pending = append(w.pending, over{*o, rule, r})
}

// flush removes what is noted.
func (w *walk) flush(ctx context.Context) error {
	if len(w.pending) == 0 {
		return nil
	}
	requests := make([]filestore.DeleteRequest, len(w.pending))
	for i := range w.pending {
		requests[i] = w.pending[i].request
	}
	var failed error
	for i, result := range w.b.DeleteObjects(ctx, requests) {
		e := &w.pending[i]
		switch {
		case errors.Is(result.Err, kind.NotExist), errors.Is(result.Err, kind.Precondition), errors.Is(result.Err, kind.Denied):
			continue
		case result.Err != nil:
			failed = errors.Join(failed, result.Err)
			continue
		}
		if e.object.Latest && !e.object.DeleteMarker {
			w.done.Objects++
		} else {
			w.done.Versions++
		}
		if !result.Marker {
			w.done.Bytes += e.object.Size
		}
		w.record(audit.Remove, "Expire", e.object.Key, e.rule)
	}
	w.pending = w.pending[:0]
	return failed
}

func (w *walk) uploads(ctx context.Context) error {
	o := filestore.ListUploadsOptions{Max: page}
	for {
		found, err := w.b.Uploads(ctx, o)
		if err != nil {
			return err
		}
		for i := range found.Items {
			u := &found.Items[i].Upload
			when, rule, ok := w.rules.Aborts(u.Key, u.Initiated, w.clock)
			if !ok || when.After(w.now) {
				continue
			}
			if err := w.b.AbortUpload(ctx, u.Key, u.ID); err != nil {
				if errors.Is(err, kind.NotExist) {
					continue
				}
				return err
			}
			w.done.Uploads++
			w.record(audit.Remove, "ExpireUpload", u.Key, rule)
		}
		if !found.Truncated {
			return nil
		}
		o.After, o.UploadAfter = found.Next, found.NextUpload
	}
}

// record tells what the lifecycle did: nobody asked for it, so the account is
// empty.
func (w *walk) record(op audit.Op, request, key, rule string) {
	if w.pass.Audit == nil {
		return
	}
	err := w.pass.Audit.Record(audit.Record{
		Service: audit.S3, Op: op, Request: request, Path: "/" + w.b.Name() + "/" + key, Detail: "lifecycle rule " + rule,
	})
	if err != nil && w.pass.Log != nil {
		w.pass.Log.Log(context.Background(), slog.LevelError, "no record kept", "error", err)
	}
}

// Aged is the latest version of a key as rules see it.
func Aged(o *filestore.Object) settings.Aged {
	a := settings.Aged{Key: o.Key, Size: o.Size, Mtime: o.Mtime, Current: true, Marker: o.DeleteMarker}
	for _, t := range o.Meta.Tags {
		a.Tags = append(a.Tags, settings.Tag{Key: t.Name, Value: t.Value})
	}
	if !o.Placed.IsZero() { // the other one is what a client of SFTP has set
		a.Mtime = o.Placed
	}
	return a
}
