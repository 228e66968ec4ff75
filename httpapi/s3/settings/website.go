package settings

import (
	"encoding/xml"
	"strings"
)

// MaxRoutingRules is how many routing rules a website may have, as on AWS.
const MaxRoutingRules = 50

// Website says how a bucket is served as a site.
type Website struct {
	XMLName  xml.Name         `xml:"WebsiteConfiguration"`
	Xmlns    string           `xml:"xmlns,attr,omitempty"`
	Error    *WebsiteError    `xml:"ErrorDocument"`
	Index    *WebsiteIndex    `xml:"IndexDocument"`
	Redirect *WebsiteRedirect `xml:"RedirectAllRequestsTo"`
	Routing  *RoutingRules    `xml:"RoutingRules"`
	Unknown  []Unknown        `xml:",any"`
}

// WebsiteError names the object that is shown where something is wrong.
type WebsiteError struct {
	Key     string    `xml:"Key"`
	Unknown []Unknown `xml:",any"`
}

// WebsiteIndex names the object that stands for a folder.
type WebsiteIndex struct {
	Suffix  string    `xml:"Suffix"`
	Unknown []Unknown `xml:",any"`
}

// WebsiteRedirect sends everybody to another host.
type WebsiteRedirect struct {
	Host     string    `xml:"HostName"`
	Protocol string    `xml:"Protocol,omitempty"`
	Unknown  []Unknown `xml:",any"`
}

// RoutingRules is the list of routing rules.
type RoutingRules struct {
	Rules   []RoutingRule `xml:"RoutingRule"`
	Unknown []Unknown     `xml:",any"`
}

// RoutingRule redirects what fits its condition.
type RoutingRule struct {
	Condition *RoutingCondition `xml:"Condition"`
	Redirect  *RoutingRedirect  `xml:"Redirect"`
	Unknown   []Unknown         `xml:",any"`
}

// RoutingCondition: both must hold, of what is given.
type RoutingCondition struct {
	Prefix  string    `xml:"KeyPrefixEquals,omitempty"`
	Status  int       `xml:"HttpErrorCodeReturnedEquals,omitempty"`
	Unknown []Unknown `xml:",any"`
}

// RoutingRedirect says where to.
type RoutingRedirect struct {
	Host     string    `xml:"HostName,omitempty"`
	Protocol string    `xml:"Protocol,omitempty"`
	Status   int       `xml:"HttpRedirectCode,omitempty"`
	Key      *string   `xml:"ReplaceKeyWith"`
	Prefix   *string   `xml:"ReplaceKeyPrefixWith"`
	Unknown  []Unknown `xml:",any"`
}

// ParseWebsite reads a WebsiteConfiguration.
func ParseWebsite(data []byte) (*Website, error) {
	w := &Website{}
	if err := Read(data, "WebsiteConfiguration", w); err != nil {
		return nil, err
	}
	if w.Redirect != nil {
		if w.Index != nil || w.Error != nil || w.Routing != nil {
			return nil, malformed("RedirectAllRequestsTo stands alone.")
		}
		if w.Redirect.Host == "" || !protocol(w.Redirect.Protocol) {
			return nil, invalid("A redirect has a HostName, and a Protocol of http or https if any.")
		}
		return w, nil
	}
	if w.Index == nil {
		return nil, invalid("A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
	}
	if w.Index.Suffix == "" || strings.Contains(w.Index.Suffix, "/") {
		return nil, invalid("The IndexDocument Suffix is not well formed")
	}
	if w.Error != nil && w.Error.Key == "" {
		return nil, malformed("The ErrorDocument has no Key.")
	}
	return w, w.checkRouting()
}

func (w *Website) checkRouting() error {
	if w.Routing == nil {
		return nil
	}
	if len(w.Routing.Rules) == 0 || len(w.Routing.Rules) > MaxRoutingRules {
		return malformed("There are 1 to %d routing rules.", MaxRoutingRules)
	}
	for _, r := range w.Routing.Rules {
		switch {
		case r.Redirect == nil:
			return malformed("A routing rule has no Redirect.")
		case r.Redirect.Key != nil && r.Redirect.Prefix != nil:
			return refuse("InvalidRequest", "You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
		case !protocol(r.Redirect.Protocol):
			return refuse("InvalidRequest", "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.")
		case r.Redirect.Status != 0 && (r.Redirect.Status < 301 || r.Redirect.Status > 308 || r.Redirect.Status == 306):
			return refuse("InvalidRequest", "The provided HTTP redirect code (%d) is not valid. Valid codes are 3XX except 300.", r.Redirect.Status)
		case r.Condition != nil && r.Condition.Status != 0 && (r.Condition.Status < 400 || r.Condition.Status > 599):
			return refuse("InvalidRequest", "The provided HTTP error code (%d) is not valid. Valid codes are 4XX or 5XX.", r.Condition.Status)
		case r.Condition != nil && r.Condition.Status == 0 && r.Condition.Prefix == "":
			return refuse("InvalidRequest", "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.")
		}
	}
	return nil
}

func protocol(s string) bool { return s == "" || s == "http" || s == "https" }

// Document is the key of the object that is shown for key: with the index's name
// behind a folder.
func (w *Website) Document(key string) string {
	if key == "" || strings.HasSuffix(key, "/") {
		return key + w.Index.Suffix
	}
	return key
}

// Redirection is where a request is sent instead of an answer.
type Redirection struct {
	Location string // a URL, or a path with a query
	Status   int
}

// Route tells where a request for key on host, by a scheme, is sent: before the
// object is looked at (failed zero), or when that failed with a status.
func (w *Website) Route(scheme, host, key string, failed int) (Redirection, bool) {
	if all := w.Redirect; all != nil {
		return Redirection{location(either(all.Protocol, scheme), all.Host, key), 301}, true
	}
	if w.Routing == nil {
		return Redirection{}, false
	}
	for _, r := range w.Routing.Rules {
		prefix := ""
		if c := r.Condition; c != nil {
			prefix = c.Prefix
			if c.Status != failed || !strings.HasPrefix(key, prefix) {
				continue
			}
		} else if failed != 0 {
			continue
		}
		to := r.Redirect
		switch {
		case to.Key != nil:
			key = *to.Key
		case to.Prefix != nil:
			key = *to.Prefix + key[len(prefix):]
		}
		status := to.Status
		if status == 0 {
			status = 301
		}
		return Redirection{location(either(to.Protocol, scheme), either(to.Host, host), key), status}, true
	}
	return Redirection{}, false
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// location is a URL whose path is key, escaped so that nothing in it can begin a
// query, a header or another host.
func location(scheme, host, key string) string {
	var b strings.Builder
	b.WriteString(scheme + "://" + host + "/")
	for i := 0; i < len(key); i++ {
		c := key[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~/!$&'()*+,;=:@", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte("0123456789ABCDEF"[c>>4])
		b.WriteByte("0123456789ABCDEF"[c&15])
	}
	return b.String()
}
