package settings

import (
	"encoding/xml"
	"net/url"
	"strings"
	"unicode/utf8"
)

// How many tags an object and a bucket may have, and how long they are at most,
// in characters.
const (
	MaxObjectTags = 10
	MaxBucketTags = 50
	maxTagKey     = 128
	maxTagValue   = 256
)

// Tag is one tag.
type Tag struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

type xmlTagging struct {
	XMLName xml.Name  `xml:"Tagging"`
	Xmlns   string    `xml:"xmlns,attr,omitempty"`
	Set     *xmlTags  `xml:"TagSet"`
	Unknown []Unknown `xml:",any"`
}

type xmlTags struct {
	Tags    []xmlTag  `xml:"Tag"`
	Unknown []Unknown `xml:",any"`
}

type xmlTag struct {
	Key     *string   `xml:"Key"`
	Value   *string   `xml:"Value"`
	Unknown []Unknown `xml:",any"`
}

func (x xmlTag) tag() (Tag, error) {
	if x.Key == nil || x.Value == nil {
		return Tag{}, malformed("A tag has no Key or no Value.")
	}
	return Tag{*x.Key, *x.Value}, nil
}

// ParseTagging reads a Tagging of at most limit tags.
func ParseTagging(data []byte, limit int) ([]Tag, error) {
	var doc xmlTagging
	if err := Read(data, "Tagging", &doc); err != nil {
		return nil, err
	}
	if doc.Set == nil {
		return nil, malformed("There is no TagSet.")
	}
	tags := []Tag{}
	for _, x := range doc.Set.Tags {
		t, err := x.tag()
		if err != nil {
			return nil, err
		}
		tags = append(tags, t)
	}
	return tags, CheckTags(tags, limit)
}

// ParseTagHeader reads x-amz-tagging: tags as the parameters of a URL.
func ParseTagHeader(text string) ([]Tag, error) {
	if text == "" {
		return nil, nil
	}
	var tags []Tag
	for part := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(name)
		if err != nil {
			return nil, invalid("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, invalid("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
		}
		tags = append(tags, Tag{key, value})
	}
	return tags, CheckTags(tags, MaxObjectTags)
}

// CheckTags refuses more than limit tags, a key twice, and what is too long or
// holds characters that tags can't have.
func CheckTags(tags []Tag, limit int) error {
	if len(tags) > limit {
		if limit == MaxObjectTags {
			return refuse("InvalidTag", "Object tags cannot be greater than %d", limit)
		}
		return refuse("InvalidTag", "There are more than %d tags.", limit)
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey || !tagText(t.Key):
			return refuse("InvalidTag", "The TagKey you have provided is invalid")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return refuse("InvalidTag", "System tags cannot be added/updated by requester")
		case utf8.RuneCountInString(t.Value) > maxTagValue || !tagText(t.Value):
			return refuse("InvalidTag", "The TagValue you have provided is invalid")
		case seen[t.Key]:
			return refuse("InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		seen[t.Key] = true
	}
	return nil
}

func tagText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xFFFE || r == 0xFFFF })
}

// WriteTagging is the document of tags.
func WriteTagging(tags []Tag) []byte {
	doc := xmlTagging{Xmlns: Namespace, Set: &xmlTags{}}
	for _, t := range tags {
		doc.Set.Tags = append(doc.Set.Tags, xmlTag{Key: &t.Key, Value: &t.Value})
	}
	return Write(doc)
}
