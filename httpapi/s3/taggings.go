package s3

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
)

func (c *call) getTagging(ctx context.Context) error {
	o, err := c.statVersion(ctx)
	if err != nil {
		return err
	}
	c.setVersion(c.bucket, o.Version)
	return c.send(http.StatusOK, xmlType, settings.WriteTagging(sorted(tagList(o.Meta.Tags))))
}

// sorted has tags by their keys, whichever way they came.
func sorted(tags []settings.Tag) []settings.Tag {
	slices.SortFunc(tags, func(a, b settings.Tag) int { return strings.Compare(a.Key, b.Key) })
	return tags
}

// putTagging asks for its permission itself: a policy may depend on the tags.
func (c *call) putTagging(ctx context.Context) error {
	body, err := c.document(ctx, maxSettings)
	if err != nil {
		return err
	}
	tags, invalid := settings.ParseTagging(body, settings.MaxObjectTags)
	if err := c.authorise(ctx, access{action: "s3:PutObjectTagging", bucket: c.bucket, key: c.key, tags: tags}); err != nil {
		return err
	}
	if invalid != nil {
		return said(invalid)
	}
	return c.setTags(ctx, tags, http.StatusOK)
}

func (c *call) deleteTagging(ctx context.Context) error {
	return c.setTags(ctx, nil, http.StatusNoContent)
}

func (c *call) setTags(ctx context.Context, tags []settings.Tag, status int) error {
	var o filestore.Object
	return c.emptyAfter(status, c.changeMeta(ctx, &o, func(m *filestore.ObjectMeta) error {
		m.Tags = pairList(tags)
		return nil
	}))
}
