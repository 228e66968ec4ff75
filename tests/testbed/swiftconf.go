package testbed

import (
	"crypto/rand"
	"fmt"
	"strings"
)

// On a busy machine the servers are late, and none of them is to be given up for
// that: by default the proxy waits half a second for a connection, and asks
// nobody for a minute after a few failures, memcached (and with it the logins) not
// excepted.
const (
	patient  = "conn_timeout = 30\nnode_timeout = 60\n"
	noGrudge = "error_suppression_interval = 0\n"
)

// configuration gives the files of Swift's configuration directory by name.
func (s *Swift) configuration() map[string]string {
	files := map[string]string{
		"swift.conf": fmt.Sprintf(`[swift-hash]
swift_hash_path_suffix = %s
swift_hash_path_prefix = %s

[storage-policy:0]
name = Policy-0
default = yes
`, rand.Text(), rand.Text()),
		"proxy-server.conf": s.proxy(),
	}
	// A container is told of an object while its PUT waits, for a second by
	// default and else some time later, by a daemon that doesn't run here.
	for server, extra := range map[string]string{"account": "", "container": "", "object": "container_update_timeout = 60\n"} {
		files[server+"-server.conf"] = s.header(server) + fmt.Sprintf(`devices = %s/srv
mount_check = false

[pipeline:main]
pipeline = healthcheck %[2]s-server

[app:%[2]s-server]
use = egg:swift#%[2]s
%[3]s%[4]s
[filter:healthcheck]
use = egg:swift#healthcheck
`, s.dir, server, patient, extra)
	}
	return files
}

// header begins each server's file. No workers: one process serves.
func (s *Swift) header(server string) string {
	return fmt.Sprintf(`[DEFAULT]
bind_ip = 127.0.0.1
bind_port = %d
workers = 0
swift_dir = %s
log_name = %s
log_level = WARNING
log_address = %[2]s/none
`, s.ports[server], s.dir, server)
}

func (s *Swift) proxy() string {
	filters := []string{
		"catch_errors", "gatekeeper", "healthcheck", "memcache", "listing_formats", "bulk", "s3api", "tempauth", "copy", "slo", "dlo",
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n[pipeline:main]\npipeline = %s proxy-server\n", s.header("proxy"), strings.Join(filters, " "))
	b.WriteString("\n[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\nallow_account_management = true\n" + patient + noGrudge)
	options := map[string]string{
		"memcache": fmt.Sprintf("memcache_servers = 127.0.0.1:%d\nmemcache_max_connections = 32\nconnect_timeout = 30\npool_timeout = 60\nio_timeout = 30\n%s", s.ports["memcached"], noGrudge),
		"tempauth": fmt.Sprintf("user_%s_%s = %s .admin\n", s.Tenant, s.User, s.Password),
		"s3api":    "allow_no_owner = true\ns3_acl = false\n",
	}
	for _, f := range filters {
		fmt.Fprintf(&b, "\n[filter:%s]\nuse = egg:swift#%[1]s\n%s", f, options[f])
	}
	return b.String()
}
