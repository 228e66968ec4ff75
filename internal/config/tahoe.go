package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/truckee-fs/truckee/internal/nearest"
)

// tahoeKeys are the sections and keys of tahoe.cfg that Tahoe-LAFS 1.20 or an
// earlier release reads. A section without keys takes any. Source: Tahoe-LAFS's
// docs/configuration.rst and its helper, magic-folder and drop-upload documents.
var tahoeKeys = map[string][]string{
	"node": {
		"nickname", "log_gatherer.furl", "reveal-ip-address", "tempdir",
		"timeout.disconnect", "timeout.keepalive", "tub.location", "tub.port",
		"web.port", "web.static", "web.reveal_storage_furls", "advertised_ip_addresses",
		"ssh.port", "ssh.authorized_keys_file",
	},
	"client": {
		"helper.furl", "introducer.furl", "key_generator.furl", "mutable.format",
		"peers.preferred", "shares.happy", "shares.needed", "shares.total",
		"shares._max_immutable_segment_size_for_testing", "stats_gatherer.furl",
		"storage.plugins", "force_foolscap",
	},
	"storage": {
		"anonymous", "debug_discard", "enabled", "expire.cutoff_date", "expire.enabled",
		"expire.immutable", "expire.mode", "expire.mutable", "expire.override_lease_duration",
		"force_foolscap", "grid_management", "plugins", "readonly", "reserved_space", "storage_dir",
	},
	"sftpd":       {"enabled", "port", "host_pubkey_file", "host_privkey_file", "accounts.file", "accounts.url"},
	"ftpd":        {"enabled", "port", "accounts.file", "accounts.url"},
	"helper":      {"enabled"},
	"connections": {"tcp"},
	"i2p": {
		"enabled", "i2p.configdir", "i2p.executable", "i2p.keyfile", "launch", "sam.port",
		"dest", "dest.port", "dest.private_key_file",
	},
	"tor": {
		"control.port", "enabled", "launch", "socks.port", "tor.executable",
		"onion", "onion.local_port", "onion.external_port", "onion.private_key_file",
	},
	"magic_folder":              {"enabled", "local.directory", "poll_interval", "download.umask"},
	"drop_upload":               {"enabled", "local.directory"},
	"grid_managers":             nil,
	"grid_manager_certificates": nil,
}

// isTahoe reports whether Tahoe-LAFS reads the key; with an empty key, the section.
func isTahoe(section, key string) bool {
	keys, ok := tahoeKeys[section]
	if !ok {
		return strings.HasPrefix(section, "storageclient.plugins.") || strings.HasPrefix(section, "storageserver.plugins.")
	}
	return keys == nil || key == "" || slices.Contains(keys, key)
}

// checkTahoe refuses what isn't Tahoe-LAFS's.
func checkTahoe(all []setting) error {
	for _, s := range all {
		if isTahoe(s.section, s.key) {
			continue
		}
		if s.key == "" {
			return fmt.Errorf("%s: [%.40s] is no section of Tahoe-LAFS", s.from, s.section)
		}
		near, ok := nearest.Word(s.key, tahoeKeys[s.section])
		if !ok {
			return fmt.Errorf("%s: [%.40s] %.40s is no key of Tahoe-LAFS", s.from, s.section, s.key)
		}
		return fmt.Errorf("%s: [%.40s] %.40s is no key of Tahoe-LAFS; did you mean %s?", s.from, s.section, s.key, near)
	}
	return nil
}
