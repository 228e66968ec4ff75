package s3

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

// values gives what a condition key of policies holds for the question; false if
// the request has no such key.
func (q *question) values(ctx context.Context, key string) ([]string, bool, error) {
	if head, tag, found := strings.Cut(key, "/"); found {
		return q.tagValues(ctx, head, tag)
	}
	if key == "s3:requestobjecttagkeys" || key == "aws:tagkeys" {
		var keys []string
		for _, t := range q.requestTags() {
			keys = append(keys, t.Key)
		}
		return keys, keys != nil, nil
	}
	value, ok := q.value(key)
	if !ok {
		return nil, false, nil
	}
	return []string{value}, true, nil
}

func (q *question) value(key string) (string, bool) {
	c := q.call
	if name, ok := strings.CutPrefix(key, "aws:"); ok {
		return c.global(name)
	}
	name := strings.TrimPrefix(key, "s3:")
	switch name {
	case "prefix":
		if q.prefix != "" {
			return q.prefix, true
		}
		return c.query.lookup(name)
	case "delimiter", "max-keys":
		return c.query.lookup(name)
	case "versionid":
		return q.version, q.version != ""
	case "authtype":
		return c.authType(), !c.who.anonymous()
	case "signatureversion":
		return c.signatureVersion(), !c.who.anonymous()
	case "resourceaccount":
		return q.owner.ID, q.bucket != nil
	case "x-amz-copy-source":
		source, err := unescape(strings.TrimPrefix(c.r.Header.Get(name), "/"))
		return strings.TrimPrefix(source, "/"), err == nil && source != ""
	case "object-lock-mode", "object-lock-retain-until-date", "object-lock-legal-hold":
		return header(c, "x-amz-"+name)
	case "object-lock-remaining-retention-days":
		until, err := settings.Date(c.r.Header.Get("x-amz-object-lock-retain-until-date"))
		days := int64(until.Sub(c.server.now()).Hours()/24 + 1)
		return strconv.FormatInt(days, 10), err == nil
	case "content-length":
		return strconv.FormatInt(c.r.ContentLength, 10), c.r.ContentLength >= 0
	}
	if strings.HasPrefix(name, "x-amz-") || name == "if-match" || name == "if-none-match" {
		return header(c, name)
	}
	return "", false
}

func header(c *call, name string) (string, bool) {
	values := c.r.Header.Values(name)
	return strings.Join(values, ","), len(values) > 0
}

// global are the keys that every service of AWS knows.
func (c *call) global(name string) (string, bool) {
	who := acl.Account(c.who.account.Name)
	named := !c.who.anonymous()
	switch name {
	case "sourceip":
		host, _, err := net.SplitHostPort(c.r.RemoteAddr)
		return host, err == nil
	case "securetransport":
		return strconv.FormatBool(c.secure), true
	case "currenttime":
		return c.server.now().UTC().Format(time.RFC3339), true
	case "epochtime":
		return strconv.FormatInt(c.server.now().Unix(), 10), true
	case "referer":
		return header(c, name)
	case "useragent":
		return header(c, "user-agent")
	case "username":
		return who.Name, named
	case "userid", "principalaccount":
		return who.ID, named
	case "principalarn":
		return "arn:aws:iam::" + who.ID + ":user/" + who.Name, named
	case "principaltype":
		if named {
			return "User", true
		}
		return "Anonymous", true
	case "requestedregion":
		return c.server.region(), true
	}
	return "", false
}

func (c *call) authType() string {
	switch {
	case c.query.has("X-Amz-Signature") || c.query.has("Signature"):
		return "REST-QUERY-STRING"
	case c.postsForm():
		return "POST"
	}
	return "REST-HEADER"
}

func (c *call) signatureVersion() string {
	if c.query.has("Signature") || strings.HasPrefix(c.r.Header.Get("Authorization"), "AWS ") {
		return "AWS"
	}
	return "AWS4-HMAC-SHA256"
}

// tagValues are those of the keys that name a tag.
func (q *question) tagValues(ctx context.Context, head, name string) ([]string, bool, error) {
	var tags []settings.Tag
	switch head {
	case "s3:existingobjecttag":
		if err := q.look(ctx); err != nil || q.object == nil {
			return nil, false, err
		}
		tags = tagList(q.object.Meta.Tags)
	case "s3:requestobjecttag", "aws:requesttag":
		tags = q.requestTags()
	}
	for _, t := range tags {
		if t.Key == name {
			return []string{t.Value}, true, nil
		}
	}
	return nil, false, nil
}

// requestTags are those that the request gives to an object.
func (q *question) requestTags() []settings.Tag {
	if q.tags != nil {
		return q.tags
	}
	tags := []settings.Tag{}
	for part := range strings.SplitSeq(q.call.r.Header.Get("X-Amz-Tagging"), "&") {
		key, value, _ := strings.Cut(part, "=")
		k, err1 := url.QueryUnescape(key)
		v, err2 := url.QueryUnescape(value)
		if err1 == nil && err2 == nil && k != "" {
			tags = append(tags, settings.Tag{Key: k, Value: v})
		}
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}
