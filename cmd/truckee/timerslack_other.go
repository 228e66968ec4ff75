//go:build !linux

package main

// slackenTimers does nothing: only Linux's threads have a slack.
func slackenTimers() {}
