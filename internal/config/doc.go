// Package config reads what a node is told: tahoe.cfg in BASEDIR, TRUCKEE_*
// variables of the environment, and flags. It opens nothing else and decides
// nothing: it gives a Config in which every value has its type and lies within
// its bounds.
//
// A flag wins over the environment, that over tahoe.cfg, that over the default.
// What isn't known is an error, with its place and the nearest known name, in
// all three. One table, made from the struct tags of Config, is the source of
// the keys, the variables, the flags, docs/configuration.md and
// tahoe.cfg.example.
//
// tahoe.cfg is TOML 1.0. A file that is no TOML is read as Tahoe-LAFS's INI
// (unquoted values) if every section and key in it is one that Tahoe-LAFS 1.20
// or an earlier release knows; those that have no meaning here give warnings.
package config
