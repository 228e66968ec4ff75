package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/truckee-fs/truckee/filestore"
	"github.com/truckee-fs/truckee/httpapi/s3/settings"
	"github.com/truckee-fs/truckee/internal/kind"
)

func (c *call) getVersioning(context.Context) error {
	status := map[filestore.Versioning]string{filestore.VersioningEnabled: "Enabled", filestore.VersioningSuspended: "Suspended"}[c.bucket.Info().Versioning]
	return c.send(http.StatusOK, xmlType, settings.WriteVersioning(status))
}

func (c *call) putVersioning(ctx context.Context) error {
	body, err := c.document(ctx, maxSettings)
	if err != nil {
		return err
	}
	enable, err := settings.ParseVersioning(body)
	if err != nil {
		return said(err)
	}
	err = c.bucket.Update(ctx, func(info *filestore.BucketInfo) error {
		if enable {
			info.Versioning = filestore.VersioningEnabled
			return nil
		}
		if info.Lock {
			return fail(InvalidBucketState, "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
		}
		info.Versioning = filestore.VersioningSuspended
		return nil
	})
	return c.emptyAfter(http.StatusOK, err)
}

func (c *call) getLock(context.Context) error {
	info := c.bucket.Info()
	if !info.Lock {
		return fail(ObjectLockConfigurationNotFoundError, "").with("BucketName", info.Name)
	}
	rule := settings.LockRule{Days: info.DefaultLock.Days, Years: info.DefaultLock.Years, Mode: modeText(info.DefaultLock.Mode)}
	return c.send(http.StatusOK, xmlType, settings.WriteLock(rule))
}

func modeText(m filestore.LockMode) string {
	switch m {
	case filestore.LockGovernance:
		return settings.Governance
	case filestore.LockCompliance:
		return settings.Compliance
	case filestore.LockNone:
	}
	return ""
}

func modeOf(text string) filestore.LockMode {
	switch text {
	case settings.Governance:
		return filestore.LockGovernance
	case settings.Compliance:
		return filestore.LockCompliance
	}
	return filestore.LockNone
}

// putLock sets the default retention, and turns object lock on where there are
// versions to lock.
func (c *call) putLock(ctx context.Context) error {
	body, err := c.document(ctx, maxSettings)
	if err != nil {
		return err
	}
	rule, err := settings.ParseLock(body)
	if err != nil {
		return said(err)
	}
	err = c.bucket.Update(ctx, func(info *filestore.BucketInfo) error {
		if info.Versioning != filestore.VersioningEnabled {
			return fail(InvalidBucketState, "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
		}
		info.Lock = true
		info.DefaultLock = filestore.LockRule{Mode: modeOf(rule.Mode), Days: rule.Days, Years: rule.Years}
		return nil
	})
	return c.emptyAfter(http.StatusOK, err)
}

func (c *call) lockable() error {
	if !c.bucket.Info().Lock {
		return fail(InvalidRequest, "Bucket is missing Object Lock Configuration")
	}
	return nil
}

func (c *call) getRetention(ctx context.Context) error {
	if err := c.lockable(); err != nil {
		return err
	}
	o, err := c.statVersion(ctx)
	if err != nil {
		return err
	}
	if o.Meta.Lock.Mode == filestore.LockNone {
		return fail(NoSuchObjectLockConfiguration, "")
	}
	return c.send(http.StatusOK, xmlType, settings.WriteRetention(modeText(o.Meta.Lock.Mode), o.Meta.Lock.Until))
}

// putRetention asks for its permission itself: a policy may depend on what is asked.
func (c *call) putRetention(ctx context.Context) error {
	body, err := c.document(ctx, maxSettings)
	if err != nil {
		return err
	}
	mode, until, invalid := settings.ParseRetention(body)
	a := access{action: "s3:PutObjectRetention", bucket: c.bucket, key: c.key, lock: &askedLock{mode: mode, until: until}}
	if err := firstOf(c.authorise(ctx, a), c.lockable(), said(invalid)); err != nil {
		return err
	}
	if mode != "" && !until.After(c.server.now()) {
		return fail(InvalidArgument, "The retain until date must be in the future!")
	}
	bypass, err := c.bypasses(ctx, c.key)
	if err != nil {
		return err
	}
	return c.setLock(ctx, filestore.LockChange{Retention: true, Mode: modeOf(mode), Until: until, BypassGovernance: bypass})
}

func (c *call) setLock(ctx context.Context, change filestore.LockChange) error {
	v, err := c.requestedVersion()
	if err != nil {
		return err
	}
	err = c.bucket.SetLock(ctx, c.key, v, change)
	switch {
	case errors.Is(err, kind.Denied):
		return fail(AccessDenied, "The object is locked: its retention can't be weakened.").because(err)
	case errors.Is(err, kind.Invalid):
		return fail(InvalidRequest, "Bucket is missing Object Lock Configuration").because(err)
	case err != nil:
		return c.absent(err, c.key, v)
	}
	return c.empty(http.StatusOK)
}

func (c *call) getHold(ctx context.Context) error {
	if err := c.lockable(); err != nil {
		return err
	}
	o, err := c.statVersion(ctx)
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, xmlType, settings.WriteHold(o.Meta.Lock.Hold))
}

// putHold asks for its permission itself, as putRetention does.
func (c *call) putHold(ctx context.Context) error {
	body, err := c.document(ctx, maxSettings)
	if err != nil {
		return err
	}
	on, invalid := settings.ParseHold(body)
	asked := &askedLock{hold: "OFF"}
	if on {
		asked.hold = "ON"
	}
	a := access{action: "s3:PutObjectLegalHold", bucket: c.bucket, key: c.key, lock: asked}
	if err := firstOf(c.authorise(ctx, a), c.lockable(), said(invalid)); err != nil {
		return err
	}
	return c.setLock(ctx, filestore.LockChange{Legal: true, Hold: on})
}

// bypasses reports whether the request asks to get around retentions in
// governance mode, and may.
func (c *call) bypasses(ctx context.Context, key string) (bool, error) {
	if !strings.EqualFold(c.r.Header.Get("X-Amz-Bypass-Governance-Retention"), "true") {
		return false, nil
	}
	return c.may(ctx, access{action: "s3:BypassGovernanceRetention", bucket: c.bucket, key: key})
}
