package settings

import (
	"encoding/xml"
	"strconv"
	"strings"
	"time"
)

// MaxLifecycleRules is how many rules a lifecycle may have, as on AWS.
const MaxLifecycleRules = 1000

// Lifecycle says when a bucket's objects, versions and uploads expire.
type Lifecycle struct {
	XMLName xml.Name        `xml:"LifecycleConfiguration"`
	Xmlns   string          `xml:"xmlns,attr,omitempty"`
	Rules   []LifecycleRule `xml:"Rule"`
	Unknown []Unknown       `xml:",any"`
}

// LifecycleRule is one rule. Transitions to other storage classes are kept and
// shown, and change nothing: there is one class of storage here.
type LifecycleRule struct {
	ID         string            `xml:"ID,omitempty"`
	Prefix     *string           `xml:"Prefix"` // the old form of Filter
	Filter     *LifecycleFilter  `xml:"Filter"`
	Status     string            `xml:"Status"`
	Expiration *Expiration       `xml:"Expiration"`
	Noncurrent *NoncurrentExpiry `xml:"NoncurrentVersionExpiration"`
	Abort      *AbortUploads     `xml:"AbortIncompleteMultipartUpload"`

	Transitions           []Transition           `xml:"Transition"`
	NoncurrentTransitions []NoncurrentTransition `xml:"NoncurrentVersionTransition"`

	Unknown []Unknown `xml:",any"`
}

// Expiration ends current versions.
type Expiration struct {
	Days         *int       `xml:"Days"`
	Date         *Timestamp `xml:"Date"`
	DeleteMarker *bool      `xml:"ExpiredObjectDeleteMarker"`
	Unknown      []Unknown  `xml:",any"`
}

// NoncurrentExpiry ends versions that are current no longer.
type NoncurrentExpiry struct {
	Days    *int      `xml:"NoncurrentDays"`
	Newer   *int      `xml:"NewerNoncurrentVersions"`
	Unknown []Unknown `xml:",any"`
}

// AbortUploads ends uploads that nobody completed.
type AbortUploads struct {
	Days    *int      `xml:"DaysAfterInitiation"`
	Unknown []Unknown `xml:",any"`
}

// Transition would move current versions to another storage class.
type Transition struct {
	Days    *int       `xml:"Days"`
	Date    *Timestamp `xml:"Date"`
	Class   string     `xml:"StorageClass"`
	Unknown []Unknown  `xml:",any"`
}

// NoncurrentTransition would move others.
type NoncurrentTransition struct {
	Days    *int      `xml:"NoncurrentDays"`
	Newer   *int      `xml:"NewerNoncurrentVersions"`
	Class   string    `xml:"StorageClass"`
	Unknown []Unknown `xml:",any"`
}

// LifecycleFilter selects objects: by one condition, or by several in And.
type LifecycleFilter struct {
	Prefix  *string       `xml:"Prefix"`
	Tag     *xmlTag       `xml:"Tag"`
	Greater *int64        `xml:"ObjectSizeGreaterThan"`
	Less    *int64        `xml:"ObjectSizeLessThan"`
	And     *LifecycleAnd `xml:"And"`
	Unknown []Unknown     `xml:",any"`
}

// LifecycleAnd selects what meets all of its conditions.
type LifecycleAnd struct {
	Prefix  *string   `xml:"Prefix"`
	Tags    []xmlTag  `xml:"Tag"`
	Greater *int64    `xml:"ObjectSizeGreaterThan"`
	Less    *int64    `xml:"ObjectSizeLessThan"`
	Unknown []Unknown `xml:",any"`
}

// Timestamp is a date in a document.
type Timestamp struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Timestamp) UnmarshalText(text []byte) (err error) {
	t.Time, err = Date(strings.TrimSpace(string(text)))
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (t Timestamp) MarshalText() ([]byte, error) {
	return []byte(t.UTC().Format("2006-01-02T15:04:05Z")), nil
}

// ParseLifecycle reads a LifecycleConfiguration. Rules without an ID get one.
func ParseLifecycle(data []byte) (*Lifecycle, error) {
	l := &Lifecycle{}
	if err := Read(data, "LifecycleConfiguration", l); err != nil {
		return nil, err
	}
	if len(l.Rules) == 0 || len(l.Rules) > MaxLifecycleRules {
		return nil, malformed("A lifecycle has 1 to %d rules.", MaxLifecycleRules)
	}
	seen := map[string]bool{}
	for i := range l.Rules {
		r := &l.Rules[i]
		if len(r.ID) > 255 {
			return nil, invalid("ID length should not exceed allowed limit of 255")
		}
		if r.ID != "" && seen[r.ID] {
			return nil, invalid("Rule ID must be unique. Found same ID for more than one rule")
		}
		seen[r.ID] = true
		if err := r.check(); err != nil {
			return nil, err
		}
	}
	for i, n := 0, 1; i < len(l.Rules); i++ {
		for l.Rules[i].ID == "" {
			if id := "rule-" + strconv.Itoa(n); !seen[id] {
				l.Rules[i].ID, seen[id] = id, true
			}
			n++
		}
	}
	return l, nil
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
