// Package lifecycle carries out the lifecycle rules of buckets: a Pass goes through
// all of them and ends what their rules (package settings) say is over. It is no part
// of any request; one gateway of all runs it, now and then.
package lifecycle

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

// Document is the name under which a bucket keeps its rules, as XML
// (filestore.BucketInfo.Documents).
const Document = "lifecycle"

// Pass is what a pass needs. The zero value of an option means the default named.
type Pass struct {
	// Files holds the buckets.
	Files *filestore.FS
	// Day is the length of a day of the rules, which tests shorten. Zero: 24 hours,
	// which end at midnight (UTC).
	Day time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Audit receives a record of everything that is ended. Nil: none.
	Audit audit.Recorder
	// Log is told of records that could not be kept. Nil: nothing.
	Log *slog.Logger
}

// Ended says what a pass has ended.
type Ended struct {
	Buckets  int   // that have a lifecycle
	Objects  int64 // current versions that were removed, or got a delete marker
	Versions int64 // others that were removed, delete markers among them
	Uploads  int64 // that were aborted
	Bytes    int64 // of what was removed for good
}

// page is how many versions are looked at, and ended, at a time.
const page = 1000

// Run ends what the rules of all buckets say is over by now. An object that somebody
// replaces meanwhile stays, and so does what is locked. It goes on with the next
// bucket when one fails, and returns all errors at its end.
func (p *Pass) Run(ctx context.Context) (Ended, error) {
	var done Ended
	infos, err := p.Files.Buckets(ctx, "", nil, "", "", 0)
	if err != nil {
		return done, fmt.Errorf("lifecycle: %w", err)
	}
	var failed error
	for i := range infos {
		rules, ok := infos[i].Documents[Document]
		if !ok {
			continue
		}
		done.Buckets++
		if err := p.bucket(ctx, infos[i].Name, rules, &done); err != nil {
			failed = errors.Join(failed, fmt.Errorf("lifecycle of bucket %s: %w", infos[i].Name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return done, failed
}

// Every is how often a pass makes sense where a day of the rules is so long (zero: 24
// hours): a tenth of it, at least a second and at most an hour.
func Every(day time.Duration) time.Duration {
	if day == 0 {
		day = 24 * time.Hour
	}
	return min(max(day/10, time.Second), time.Hour)
}

// bucket is the pass over one bucket.
func (p *Pass) bucket(ctx context.Context, name string, document []byte, done *Ended) error {
	rules, err := settings.ParseLifecycle(document)
	if err != nil {
		return fmt.Errorf("%w: %w", kind.Corrupt, err)
	}
	b, err := p.Files.Bucket(ctx, name)
	if errors.Is(err, kind.NotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	w := &walk{pass: p, b: b, rules: rules, clock: settings.Clock{Day: p.Day}, now: time.Now(), done: done}
	if p.Now != nil {
		w.now = p.Now()
	}
	if rules.AbortsAny() {
		err = w.uploads(ctx)
	}
	if rules.AgesVersions() {
		err = errors.Join(err, w.versions(ctx))
	}
	return err
}
