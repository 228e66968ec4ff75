package s3

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/httpapi/s3/acl"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/httpapi/s3/sigv4"
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
	if key == "aws:resourceaccount" {
		return q.owner.ID, q.bucket != nil
	}
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
		return c.who.authType(), !c.who.anonymous()
	case "signatureversion":
		return c.who.signatureVersion()
	case "resourceaccount":
		return q.owner.ID, q.bucket != nil
	case "x-amz-copy-source":
		source, err := unescapeQuery(strings.TrimPrefix(c.r.Header.Get(name), "/"))
		return strings.TrimPrefix(source, "/"), err == nil && source != ""
	case "object-lock-mode", "object-lock-retain-until-date", "object-lock-legal-hold", "object-lock-remaining-retention-days":
		return q.lockValue(name)
	case "objectcreationoperation":
		return q.creates()
	case "signatureage":
		age := c.server.now().Sub(c.who.since)
		return strconv.FormatInt(max(age.Milliseconds(), 0), 10), !c.who.since.IsZero()
	case "tlsversion":
		if c.r.TLS == nil {
			return "", false
		}
		return strings.TrimPrefix(tls.VersionName(c.r.TLS.Version), "TLS "), true
	case "content-length":
		return strconv.FormatInt(c.r.ContentLength, 10), c.r.ContentLength >= 0
	}
	if strings.HasPrefix(name, "x-amz-") || name == "if-match" || name == "if-none-match" {
		return header(c, name)
	}
	return "", false
}

// lockValue is what the request asks the object to be held by, in its body or in its
// headers.
func (q *question) lockValue(name string) (string, bool) {
	asked := q.lock
	if asked == nil {
		h := q.call.r.Header
		asked = &askedLock{mode: h.Get("X-Amz-Object-Lock-Mode"), hold: h.Get("X-Amz-Object-Lock-Legal-Hold")}
		asked.until, _ = settings.Date(h.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	}
	switch name {
	case "object-lock-mode":
		return asked.mode, asked.mode != ""
	case "object-lock-legal-hold":
		return asked.hold, asked.hold != ""
	case "object-lock-retain-until-date":
		return asked.until.UTC().Format(time.RFC3339), !asked.until.IsZero()
	}
	days := int64(asked.until.Sub(q.call.server.now()).Hours()/24 + 1)
	return strconv.FormatInt(days, 10), !asked.until.IsZero()
}

// creates tells whether what is written is an object, and no part of one or the begin
// of an upload: conditions on writes belong to these alone.
func (q *question) creates() (string, bool) {
	if q.call.op == nil || q.action != "s3:PutObject" {
		return "", false
	}
	switch q.call.op.name {
	case "CreateMultipartUpload", "UploadPart", "UploadPartCopy":
		return "false", true
	}
	return "true", true
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
	case "viaawsservice", "principalisawsservice": // no service asks here for anybody
		return "false", true
	case "requestedregion":
		return c.server.region(), true
	}
	return "", false
}

// authType says where the confirmed signature was: what a request has besides is
// anybody's to add.
func (i identity) authType() string {
	switch i.place {
	case sigv4.InQuery:
		return "REST-QUERY-STRING"
	case sigv4.InForm:
		return "POST"
	case sigv4.InHeader:
	}
	return "REST-HEADER"
}

func (i identity) signatureVersion() (name string, ok bool) {
	switch i.version {
	case 4:
		return "AWS4-HMAC-SHA256", true
	case 2:
		return "AWS", true
	}
	return "", false
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
