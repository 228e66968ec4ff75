package settings

import (
	"encoding/xml"
	"time"
)

// Modes of retention.
const (
	Governance = "GOVERNANCE"
	Compliance = "COMPLIANCE"
)

// The longest default retention, as on AWS.
const (
	maxLockDays  = 36500
	maxLockYears = 100
)

// LockRule is a bucket's default retention: none if Mode is empty, else one of
// Days and Years.
type LockRule struct {
	Mode        string
	Days, Years int
}

type xmlLock struct {
	XMLName xml.Name     `xml:"ObjectLockConfiguration"`
	Xmlns   string       `xml:"xmlns,attr,omitempty"`
	Enabled string       `xml:"ObjectLockEnabled"`
	Rule    *xmlLockRule `xml:"Rule"`
	Unknown []Unknown    `xml:",any"`
}

type xmlLockRule struct {
	Default *xmlLockDefault `xml:"DefaultRetention"`
	Unknown []Unknown       `xml:",any"`
}

type xmlLockDefault struct {
	Mode    string    `xml:"Mode"`
	Days    *int      `xml:"Days"`
	Years   *int      `xml:"Years"`
	Unknown []Unknown `xml:",any"`
}

// ParseLock reads an ObjectLockConfiguration.
func ParseLock(data []byte) (LockRule, error) {
	var doc xmlLock
	if err := Read(data, "ObjectLockConfiguration", &doc); err != nil {
		return LockRule{}, err
	}
	if doc.Enabled != "Enabled" {
		return LockRule{}, malformed("ObjectLockEnabled is not Enabled.")
	}
	if doc.Rule == nil {
		return LockRule{}, nil
	}
	d := doc.Rule.Default
	if d == nil || d.Mode != Governance && d.Mode != Compliance || (d.Days == nil) == (d.Years == nil) {
		return LockRule{}, malformed("A DefaultRetention has a Mode of GOVERNANCE or COMPLIANCE, and either Days or Years.")
	}
	rule := LockRule{Mode: d.Mode}
	if d.Days != nil {
		rule.Days = *d.Days
		if rule.Days < 1 || rule.Days > maxLockDays {
			return LockRule{}, refuse("InvalidRetentionPeriod", "Default retention period must be 1 to %d days.", maxLockDays)
		}
	} else {
		rule.Years = *d.Years
		if rule.Years < 1 || rule.Years > maxLockYears {
			return LockRule{}, refuse("InvalidRetentionPeriod", "Default retention period must be 1 to %d years.", maxLockYears)
		}
	}
	return rule, nil
}

// WriteLock is the document of a bucket with object lock.
func WriteLock(rule LockRule) []byte {
	doc := xmlLock{Xmlns: Namespace, Enabled: "Enabled"}
	if rule.Mode != "" {
		d := &xmlLockDefault{Mode: rule.Mode}
		if rule.Days > 0 {
			d.Days = &rule.Days
		} else {
			d.Years = &rule.Years
		}
		doc.Rule = &xmlLockRule{Default: d}
	}
	return Write(doc)
}

type xmlRetention struct {
	XMLName xml.Name  `xml:"Retention"`
	Xmlns   string    `xml:"xmlns,attr,omitempty"`
	Mode    string    `xml:"Mode,omitempty"`
	Until   string    `xml:"RetainUntilDate,omitempty"`
	Unknown []Unknown `xml:",any"`
}

// ParseRetention reads a Retention: an empty mode ends it.
func ParseRetention(data []byte) (mode string, until time.Time, err error) {
	var doc xmlRetention
	if err := Read(data, "Retention", &doc); err != nil {
		return "", time.Time{}, err
	}
	if doc.Mode == "" && doc.Until == "" {
		return "", time.Time{}, nil
	}
	if doc.Mode != Governance && doc.Mode != Compliance || doc.Until == "" {
		return "", time.Time{}, malformed("A Retention has a Mode of GOVERNANCE or COMPLIANCE, and a RetainUntilDate.")
	}
	if until, err = Date(doc.Until); err != nil {
		return "", time.Time{}, malformed("The RetainUntilDate is no date of ISO 8601.")
	}
	return doc.Mode, until, nil
}

// WriteRetention is the document of a retention.
func WriteRetention(mode string, until time.Time) []byte {
	return Write(xmlRetention{Xmlns: Namespace, Mode: mode, Until: until.UTC().Format(dateLayout)})
}

type xmlHold struct {
	XMLName xml.Name  `xml:"LegalHold"`
	Xmlns   string    `xml:"xmlns,attr,omitempty"`
	Status  string    `xml:"Status"`
	Unknown []Unknown `xml:",any"`
}

// ParseHold reads a LegalHold.
func ParseHold(data []byte) (bool, error) {
	var doc xmlHold
	if err := Read(data, "LegalHold", &doc); err != nil {
		return false, err
	}
	if doc.Status != "ON" && doc.Status != "OFF" {
		return false, malformed("The Status of a legal hold is neither ON nor OFF.")
	}
	return doc.Status == "ON", nil
}

// WriteHold is the document of a legal hold.
func WriteHold(on bool) []byte {
	doc := xmlHold{Xmlns: Namespace, Status: "OFF"}
	if on {
		doc.Status = "ON"
	}
	return Write(doc)
}

const dateLayout = "2006-01-02T15:04:05.000Z"

// Date reads a moment of ISO 8601 as clients of S3 write it.
func Date(s string) (time.Time, error) {
	var t time.Time
	var err error
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02", "20060102T150405Z"} {
		if t, err = time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return t, err
}
