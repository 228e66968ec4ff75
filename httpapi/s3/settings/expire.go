package settings

import (
	"strings"
	"time"
)

// Aged is what a lifecycle judges: an object's version or an upload.
type Aged struct {
	Key     string
	Size    int64
	Tags    []Tag
	Mtime   time.Time // of a version: when it was written; of an upload: when it began
	Current bool      // it is the latest of its key

	// Of versions that are current no longer: when the next one took its place,
	// and how many of the key's versions that are current no longer are newer.
	Since time.Time
	Newer int

	Marker bool // it is a delete marker
	Alone  bool // the key has no other version
}

// Clock is the length of a day of lifecycles, which tests shorten. Zero: 24 h.
type Clock struct{ Day time.Duration }

// after is when so many days have passed since t: as AWS counts them, the next
// midnight (UTC) after that; where days are shorter than days, the moment itself.
func (c Clock) after(t time.Time, days int) time.Time {
	const day = 24 * time.Hour
	if c.Day != 0 && c.Day != day {
		return t.Add(time.Duration(days) * c.Day)
	}
	t = t.Add(time.Duration(days) * day)
	if floor := t.Truncate(day); !floor.Equal(t) {
		return floor.Add(day)
	}
	return t
}

// Expires tells when the lifecycle ends v, and by which rule; false if it never
// does. Of several rules the earliest counts.
func (l *Lifecycle) Expires(v Aged, c Clock) (when time.Time, rule string, ok bool) {
	for i := range l.Rules {
		r := &l.Rules[i]
		if r.Status != "Enabled" || !r.selects(v) {
			continue
		}
		if t, expires := r.expires(v, c); expires && (!ok || t.Before(when)) {
			when, rule, ok = t, r.ID, true
		}
	}
	return when, rule, ok
}

func (r *LifecycleRule) selects(v Aged) bool {
	if !strings.HasPrefix(v.Key, r.prefix()) {
		return false
	}
	greater, less := r.Filter.sizes()
	if v.Marker {
		return len(r.Filter.tags()) == 0 && greater == nil && less == nil
	}
	if greater != nil && v.Size <= *greater || less != nil && v.Size >= *less {
		return false
	}
	for _, x := range r.Filter.tags() {
		want, err := x.tag()
		if err != nil || !has(v.Tags, want) {
			return false
		}
	}
	return true
}

func has(tags []Tag, want Tag) bool {
	for _, t := range tags {
		if t == want {
			return true
		}
	}
	return false
}

func (r *LifecycleRule) expires(v Aged, c Clock) (time.Time, bool) {
	switch e := r.Expiration; {
	case !v.Current:
		n := r.Noncurrent
		if n == nil || n.Newer != nil && v.Newer < *n.Newer {
			return time.Time{}, false
		}
		return c.after(v.Since, *n.Days), true
	case e == nil:
	case v.Marker:
		// A marker that hides nothing: when it is told to, or as old as objects
		// get.
		if v.Alone && e.DeleteMarker != nil && *e.DeleteMarker {
			return v.Mtime, true
		}
		if v.Alone && e.Days != nil {
			return c.after(v.Mtime, *e.Days), true
		}
	case e.Days != nil:
		return c.after(v.Mtime, *e.Days), true
	case e.Date != nil:
		return e.Date.Time, true
	}
	return time.Time{}, false
}

// Aborts tells when the lifecycle ends an upload of key that began then, and by
// which rule; false if it never does.
func (l *Lifecycle) Aborts(key string, began time.Time, c Clock) (when time.Time, rule string, ok bool) {
	for i := range l.Rules {
		r := &l.Rules[i]
		if r.Status != "Enabled" || r.Abort == nil || !strings.HasPrefix(key, r.prefix()) {
			continue
		}
		if t := c.after(began, *r.Abort.Days); !ok || t.Before(when) {
			when, rule, ok = t, r.ID, true
		}
	}
	return when, rule, ok
}

// AbortsAny reports whether some rule ends uploads, and Ages whether some rule
// ends versions that are current no longer or delete markers: what a pass over
// the bucket has to look at.
func (l *Lifecycle) AbortsAny() bool {
	return l.any(func(r *LifecycleRule) bool { return r.Abort != nil })
}

// AgesVersions: see AbortsAny.
func (l *Lifecycle) AgesVersions() bool {
	return l.any(func(r *LifecycleRule) bool { return r.Noncurrent != nil || r.Expiration != nil })
}

func (l *Lifecycle) any(is func(*LifecycleRule) bool) bool {
	for i := range l.Rules {
		if l.Rules[i].Status == "Enabled" && is(&l.Rules[i]) {
			return true
		}
	}
	return false
}
