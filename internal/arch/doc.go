// Package arch holds no code: its tests hold the whole module to its
// architecture. They parse every Go file of the module, without building it,
// and check which room may import which (directions_test.go) and what from
// outside (libraries_test.go), who may reveal a secret (secrets_test.go), and
// the habits that no compiler checks (comments_test.go, habits_test.go). Every
// rule is also shown code that breaks it, and must fire.
package arch
