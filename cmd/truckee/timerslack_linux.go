package main

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel lets a thread's timers go off late by its slack, 50 µs as a rule
// (PR_SET_TIMERSLACK(2const)). While threads wait in system calls, as a commit does for
// its sync, a thread of Go's runtime sleeps 20 µs at a time, to give their processors
// to other goroutines: with the usual slack it wakes every 70 µs all through a load of
// small commits, which is a tenth of the processor time that those take.
const (
	usualSlack = 50 * time.Microsecond
	ourSlack   = 200 * time.Microsecond

	// slackenedEnv is set for the programme that slackenTimers begins anew.
	slackenedEnv = "TRUCKEE_TIMERS_SLACKENED"
)

// slackenTimers gives the process's threads a longer slack, unless whoever started it
// has chosen one. A thread has its slack from the one that made it, and keeps it over
// an exec; the runtime's is made before main, so that the programme is begun anew. It
// returns in the programme that was begun anew, and where that can't be done.
func slackenTimers() {
	if _, again := os.LookupEnv(slackenedEnv); again {
		os.Unsetenv(slackenedEnv)
		return
	}
	path, err := os.Executable()
	if err != nil {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if timerSlack() != usualSlack {
		return
	}
	if unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(ourSlack), 0, 0, 0) != nil || timerSlack() != ourSlack {
		return
	}
	_ = syscall.Exec(path, os.Args, append(os.Environ(), slackenedEnv+"=1"))
	// No harm where it doesn't work: things go on as they are.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(usualSlack), 0, 0, 0)
}

// timerSlack is the calling thread's, 0 where nobody tells.
func timerSlack() time.Duration {
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return 0
	}
	return time.Duration(slack)
}
