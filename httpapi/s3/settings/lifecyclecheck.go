package settings

import "time"

// CheckNew refuses rules that would be kept and not do what they say: actions that
// the filter beside them says nothing of. It is for rules that are put, so that those
// that a bucket has stay readable.
func (l *Lifecycle) CheckNew() error {
	for i := range l.Rules {
		r := &l.Rules[i]
		greater, less := r.Filter.sizes()
		switch sized := greater != nil || less != nil; {
		case sized && r.Abort != nil:
			return refuse("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Object Size.")
		case sized && r.Expiration != nil && r.Expiration.DeleteMarker != nil:
			return refuse("InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Object Size.")
		case r.mixesDates():
			return refuse("InvalidRequest", "Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule for prefix '%s'", r.prefix())
		}
	}
	return nil
}

// mixesDates reports whether some actions on current versions go by days, others by
// dates.
func (r *LifecycleRule) mixesDates() bool {
	var days, dates bool
	if e := r.Expiration; e != nil {
		days, dates = e.Days != nil, e.Date != nil
	}
	for _, t := range r.Transitions {
		days, dates = days || t.Days != nil, dates || t.Date != nil
	}
	return days && dates
}

func (r *LifecycleRule) check() error {
	if r.Status != "Enabled" && r.Status != "Disabled" {
		return malformed("The Status of a rule is neither Enabled nor Disabled.")
	}
	if r.Prefix != nil && r.Filter != nil {
		return malformed("A rule has both a Prefix and a Filter.")
	}
	if r.Prefix == nil && r.Filter == nil {
		return malformed("A rule has neither a Filter nor a Prefix.")
	}
	if r.Expiration == nil && r.Noncurrent == nil && r.Abort == nil && len(r.Transitions) == 0 && len(r.NoncurrentTransitions) == 0 {
		return refuse("InvalidRequest", "At least one action needs to be specified in a rule")
	}
	if err := r.Filter.check(); err != nil {
		return err
	}
	if err := r.checkExpiration(); err != nil {
		return err
	}
	if err := r.checkNoncurrent(); err != nil {
		return err
	}
	return r.checkTransitions()
}

func (f *LifecycleFilter) check() error {
	if f == nil {
		return nil
	}
	n := 0
	for _, there := range []bool{f.Prefix != nil, f.Tag != nil, f.Greater != nil, f.Less != nil, f.And != nil} {
		if there {
			n++
		}
	}
	if n > 1 {
		return malformed("A Filter has more than one condition without And.")
	}
	var tags []Tag
	for _, x := range f.tags() {
		t, err := x.tag()
		if err != nil {
			return err
		}
		tags = append(tags, t)
	}
	if err := CheckTags(tags, MaxBucketTags); err != nil {
		return err
	}
	greater, less := f.sizes()
	if greater != nil && *greater < 0 || less != nil && *less < 1 {
		return invalid("A size of a Filter is negative or nothing.")
	}
	if greater != nil && less != nil && *greater >= *less {
		return invalid("'ObjectSizeGreaterThan' has to be a value smaller than 'ObjectSizeLessThan'.")
	}
	return nil
}

func (r *LifecycleRule) checkExpiration() error {
	e := r.Expiration
	if e == nil {
		return nil
	}
	n := 0
	for _, there := range []bool{e.Days != nil, e.Date != nil, e.DeleteMarker != nil} {
		if there {
			n++
		}
	}
	if n != 1 {
		return malformed("An Expiration has exactly one of Days, Date and ExpiredObjectDeleteMarker.")
	}
	if e.Days != nil && *e.Days < 1 {
		return invalid("'Days' for Expiration action must be a positive integer")
	}
	if e.Date != nil && !midnight(e.Date) {
		return invalid("'Date' must be at midnight GMT")
	}
	if e.DeleteMarker != nil && len(r.Filter.tags()) > 0 {
		return refuse("InvalidRequest", "ExpiredObjectDeleteMarker can't be with a tag filter.")
	}
	return nil
}

func (r *LifecycleRule) checkNoncurrent() error {
	if n := r.Noncurrent; n != nil {
		if n.Days == nil || *n.Days < 1 {
			return invalid("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
		}
		if n.Newer != nil && (*n.Newer < 1 || *n.Newer > 100) {
			return invalid("'NewerNoncurrentVersions' must be 1 to 100")
		}
	}
	if a := r.Abort; a != nil {
		if a.Days == nil || *a.Days < 1 {
			return invalid("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
		}
		if len(r.Filter.tags()) > 0 {
			return refuse("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags.")
		}
	}
	return nil
}

func (r *LifecycleRule) checkTransitions() error {
	for _, t := range r.Transitions {
		if (t.Days == nil) == (t.Date == nil) || !storageClass(t.Class) {
			return malformed("A Transition has one of Days and Date, and a known StorageClass.")
		}
		if t.Days != nil && *t.Days < 0 {
			return invalid("'Days' for Transition action must be nonnegative")
		}
		if t.Date != nil && !midnight(t.Date) {
			return invalid("'Date' must be at midnight GMT")
		}
		if r.Expiration != nil && t.Days != nil && r.Expiration.Days != nil && *r.Expiration.Days <= *t.Days {
			return invalid("'Days' in the Expiration action must be greater than 'Days' in the Transition action")
		}
	}
	for _, t := range r.NoncurrentTransitions {
		if t.Days == nil || *t.Days < 0 || !storageClass(t.Class) {
			return malformed("A NoncurrentVersionTransition has NoncurrentDays and a known StorageClass.")
		}
	}
	return nil
}

func midnight(t *Timestamp) bool { return t.Equal(t.Truncate(24 * time.Hour)) }

func storageClass(s string) bool {
	switch s {
	case "GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR":
		return true
	}
	return false
}

func (f *LifecycleFilter) tags() []xmlTag {
	switch {
	case f == nil:
		return nil
	case f.Tag != nil:
		return []xmlTag{*f.Tag}
	case f.And != nil:
		return f.And.Tags
	}
	return nil
}

func (f *LifecycleFilter) sizes() (greater, less *int64) {
	switch {
	case f == nil:
		return nil, nil
	case f.And != nil:
		return f.And.Greater, f.And.Less
	}
	return f.Greater, f.Less
}

func (r *LifecycleRule) prefix() string {
	for _, p := range []*string{r.Prefix, r.Filter.prefix()} {
		if p != nil {
			return *p
		}
	}
	return ""
}

func (f *LifecycleFilter) prefix() *string {
	switch {
	case f == nil:
		return nil
	case f.And != nil:
		return f.And.Prefix
	}
	return f.Prefix
}
