package s3

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/internal/kind"
)

// etagsOf reads a list of entity tags: quoted, weak or bare, "*" among them.
func etagsOf(values []string) []string {
	var tags []string
	for _, value := range values {
		for tag := range strings.SplitSeq(value, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag = strings.Trim(tag, `"`); tag != "" {
				tags = append(tags, tag)
			}
		}
	}
	return tags
}

// writeConditions are what a request demands of the object that it replaces.
func (c *call) writeConditions() (filestore.Conditions, error) {
	h := c.r.Header
	cond := filestore.Conditions{Match: matchOf(h["If-Match"]), NoneMatch: etagsOf(h["If-None-Match"])}
	if h["If-Match"] != nil && h["If-None-Match"] != nil {
		return cond, fail(InvalidRequest, "If-Match and If-None-Match can't both be given.")
	}
	return cond, c.without("If-Modified-Since", "If-Unmodified-Since")
}

// matchOf reads If-Match. What names no tag at all holds for no object, rather than
// for every one.
func matchOf(values []string) []string {
	if tags := etagsOf(values); tags != nil || values == nil {
		return tags
	}
	return []string{""}
}

// without refuses conditions that aren't judged here: who sends one relies on it.
func (c *call) without(names ...string) error {
	for _, name := range names {
		if c.r.Header[name] != nil {
			return fail(NotImplemented, "A header you provided implies functionality that is not implemented").with("Header", name)
		}
	}
	return nil
}

// deleteConditions are those of DeleteObject.
func (c *call) deleteConditions() (filestore.Conditions, error) {
	cond := filestore.Conditions{Match: matchOf(c.r.Header["If-Match"])}
	if err := c.without("If-None-Match", "If-Modified-Since", "If-Unmodified-Since"); err != nil {
		return cond, err
	}
	return cond, deleteCondition(&cond, c.r.Header.Get("X-Amz-If-Match-Last-Modified-Time"), c.r.Header.Get("X-Amz-If-Match-Size"))
}

// deleteCondition adds what a deletion demands of the time and size.
func deleteCondition(cond *filestore.Conditions, mtime, size string) error {
	if mtime != "" {
		t, err := parseAnyTime(mtime)
		if err != nil {
			return fail(InvalidArgument, "The time to match is malformed.").with("ArgumentValue", mtime)
		}
		cond.Mtime = t
	}
	if size != "" {
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil || n < 0 {
			return fail(InvalidArgument, "The size to match is malformed.").with("ArgumentValue", size)
		}
		cond.Size = &n
	}
	return nil
}

func parseAnyTime(text string) (time.Time, error) {
	if t, err := http.ParseTime(text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

// writeFailure says what became of a change whose conditions were judged by the
// filestore.
func writeFailure(err error) error {
	var told *failure
	switch {
	case errors.As(err, &told):
		return err
	case errors.Is(err, kind.Precondition) && errors.Is(err, kind.NotExist):
		return fail(NoSuchKey, "").because(err)
	case errors.Is(err, kind.Precondition):
		return unmet(err)
	case errors.Is(err, kind.Conflict):
		return fail(ConditionalRequestConflict, "").because(err)
	case errors.Is(err, kind.NotExist): // it was removed meanwhile
		return fail(NoSuchBucket, "").because(err)
	case errors.Is(err, kind.TooLarge):
		return fail(MetadataTooLarge, "").because(err)
	}
	return err
}

// unmet names the condition that doesn't hold: clients tell by it that somebody else
// has created the object before them.
func unmet(err error) error {
	f := fail(PreconditionFailed, "").because(err)
	if u, ok := errors.AsType[*filestore.UnmetError](err); ok && headerOf[u.Condition] != "" {
		return f.with("Condition", headerOf[u.Condition])
	}
	return f
}

// headerOf has the headers of conditions of writes.
var headerOf = map[string]string{
	"Match": "If-Match", "NoneMatch": "If-None-Match", "Mtime": "x-amz-if-match-last-modified-time", "Size": "x-amz-if-match-size",
}

// readConditions judges the headers of a GET or HEAD in the order of RFC 9110,
// section 13.2.2.
func (c *call) readConditions(o *filestore.Object) error {
	h := c.r.Header
	if f, name := judge(o, h["If-Match"], h.Get("If-Unmodified-Since"), h["If-None-Match"], h.Get("If-Modified-Since")); f != "" {
		return fail(f, "").with("Condition", name)
	}
	return nil
}

// judge tells what conditions make of a read: nothing, PreconditionFailed or
// NotModified, and by which one.
func judge(o *filestore.Object, match []string, unmodified string, none []string, modified string) (code, string) {
	mtime := o.Mtime.Truncate(time.Second)
	if match != nil {
		if tags := etagsOf(match); !slices.Contains(tags, "*") && !slices.Contains(tags, o.ETag) {
			return PreconditionFailed, "If-Match"
		}
	} else if t, err := parseAnyTime(unmodified); err == nil && mtime.After(t) {
		return PreconditionFailed, "If-Unmodified-Since"
	}
	if none != nil {
		if tags := etagsOf(none); slices.Contains(tags, "*") || slices.Contains(tags, o.ETag) {
			return NotModified, "If-None-Match"
		}
	} else if t, err := parseAnyTime(modified); err == nil && !mtime.After(t) {
		return NotModified, "If-Modified-Since"
	}
	return "", ""
}

// copyConditions judges the conditions that a copy has on its source.
func (c *call) copyConditions(o *filestore.Object) error {
	h := c.r.Header
	const p = "X-Amz-Copy-Source-If-"
	if f, name := judge(o, h[p+"Match"], h.Get(p+"Unmodified-Since"), h[p+"None-Match"], h.Get(p+"Modified-Since")); f != "" {
		return fail(PreconditionFailed, "").with("Condition", "x-amz-copy-source-"+strings.ToLower(name))
	}
	return nil
}
