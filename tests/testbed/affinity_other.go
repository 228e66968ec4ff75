//go:build !linux

package testbed

import "errors"

// CPUs are not known here.
func CPUs() ([]int, error) { return nil, errors.ErrUnsupported }

// Pin isn't possible here.
func Pin([]int, ...int) error { return errors.ErrUnsupported }
