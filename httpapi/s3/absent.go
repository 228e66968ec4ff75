package s3

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"

	"github.com/truckee-fs/truckee/internal/audit"
)

// absentOperations are those of features that this server doesn't have. What asks
// whether they are in use hears that they aren't; what turns one off is obeyed;
// what would turn one on is refused, since it wouldn't be.
func absentOperations() map[route]*operation {
	all := map[route]*operation{}
	one := func(sub, name, permission, root string) {
		all[route{onBucket, http.MethodGet, sub}] = &operation{
			name: "Get" + name, action: "s3:Get" + permission, audit: audit.List,
			handle: func(c *call, _ context.Context) error { return c.xml(http.StatusOK, root, func(*document) {}) },
		}
		all[route{onBucket, http.MethodPut, sub}] = &operation{
			name: "Put" + name, action: "s3:Put" + permission, audit: audit.Configure,
			handle: func(c *call, ctx context.Context) error { return c.onlyOff(ctx, root) },
		}
	}
	one("notification", "BucketNotificationConfiguration", "BucketNotification", "NotificationConfiguration")
	one("logging", "BucketLogging", "BucketLogging", "BucketLoggingStatus")
	one("accelerate", "BucketAccelerateConfiguration", "AccelerateConfiguration", "AccelerateConfiguration")

	for _, m := range []struct{ sub, name, permission, root string }{
		{"analytics", "BucketAnalyticsConfiguration", "AnalyticsConfiguration", "ListBucketAnalyticsConfigurationResult"},
		{"inventory", "BucketInventoryConfiguration", "InventoryConfiguration", "ListInventoryConfigurationsResult"},
		{"metrics", "BucketMetricsConfiguration", "MetricsConfiguration", "ListMetricsConfigurationsResult"},
		{"intelligent-tiering", "BucketIntelligentTieringConfiguration", "IntelligentTieringConfiguration", "ListBucketIntelligentTieringConfigurationsResult"},
	} {
		all[route{onBucket, http.MethodGet, m.sub}] = &operation{
			name: "Get" + m.name, action: "s3:Get" + m.permission, audit: audit.List,
			handle: func(c *call, _ context.Context) error {
				if c.query.has("id") {
					return fail(NoSuchConfiguration, "")
				}
				return c.xml(http.StatusOK, m.root, func(d *document) { d.boolean("IsTruncated", false) })
			},
		}
		all[route{onBucket, http.MethodPut, m.sub}] = &operation{name: "Put" + m.name, action: "s3:Put" + m.permission, audit: audit.Configure, handle: notImplemented}
		all[route{onBucket, http.MethodDelete, m.sub}] = &operation{
			name: "Delete" + m.name, action: "s3:Put" + m.permission, audit: audit.Configure,
			handle: func(*call, context.Context) error { return fail(NoSuchConfiguration, "") },
		}
	}

	all[route{onBucket, http.MethodGet, "replication"}] = &operation{
		name: "GetBucketReplication", action: "s3:GetReplicationConfiguration", audit: audit.List,
		handle: func(*call, context.Context) error { return fail(ReplicationConfigurationNotFoundError, "") },
	}
	all[route{onBucket, http.MethodPut, "replication"}] = &operation{name: "PutBucketReplication", action: "s3:PutReplicationConfiguration", audit: audit.Configure, handle: notImplemented}
	all[route{onBucket, http.MethodDelete, "replication"}] = &operation{
		name: "DeleteBucketReplication", action: "s3:PutReplicationConfiguration", audit: audit.Configure,
		handle: func(c *call, _ context.Context) error { return c.empty(http.StatusNoContent) },
	}
	return all
}

func notImplemented(*call, context.Context) error { return fail(NotImplemented, "") }

// onlyOff takes a configuration that turns nothing on: an empty one, or one whose
// status says that it is suspended.
func (c *call) onlyOff(ctx context.Context, root string) error {
	body, err := c.document(ctx, maxSettings)
	if err != nil {
		return err
	}
	d := xml.NewDecoder(bytes.NewReader(body))
	t, err := d.Token()
	for err == nil {
		if start, ok := t.(xml.StartElement); ok {
			if start.Name.Local != root {
				return fail(MalformedXML, "")
			}
			break
		}
		t, err = d.Token()
	}
	if err != nil {
		return fail(MalformedXML, "").because(err)
	}
	for depth := 1; depth > 0; {
		if t, err = d.Token(); err != nil {
			return fail(MalformedXML, "").because(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local != "Status" || depth != 1 {
				return fail(NotImplemented, "This server has nothing of that kind.")
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if text := string(bytes.TrimSpace(t)); text != "" && text != "Suspended" {
				return fail(NotImplemented, "This server has nothing of that kind.")
			}
		}
	}
	return c.empty(http.StatusOK)
}
