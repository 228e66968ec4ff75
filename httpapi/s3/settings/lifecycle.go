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
