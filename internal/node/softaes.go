package node

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/cpu"

	"github.com/truckee-fs/truckee/internal/kind"
)

// checkAES refuses a processor on which Go's AES-GCM is table-based: its timing
// would depend on keys, and it is slow (formats.md 6).
func checkAES(allowSoft bool) error {
	if allowSoft || hardwareAES() {
		return nil
	}
	return fmt.Errorf("this processor has no AES instructions (%s): encryption would be slow and its timing would depend on the keys; "+
		"allow it with --allow-soft-aes or node.allow_soft_aes: %w", runtime.GOARCH, kind.Unsupported)
}

func hardwareAES() bool {
	switch runtime.GOARCH {
	case "amd64":
		return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41
	case "arm64":
		return cpu.ARM64.HasAES && cpu.ARM64.HasPMULL
	case "s390x":
		return cpu.S390X.HasAES && cpu.S390X.HasAESGCM
	case "ppc64le":
		return true // POWER8 and later, which Go requires, have the instructions
	}
	return false
}
