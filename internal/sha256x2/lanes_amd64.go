package sha256x2

import "golang.org/x/sys/cpu"

// lanes reports whether blocks may be called: it takes the SHA extensions (CPUID leaf
// 7, EBX bit 29), and AVX for instructions of three operands, which the system must
// have turned on, too. (BMI2 stands in leaf 7 itself, which is there if it is.)
func lanes() bool {
	const sha = 1 << 29
	return cpu.X86.HasAVX && cpu.X86.HasBMI2 && cpuid(7, 0)&sha != 0
}

// blocks takes n blocks, at least one, of each of two messages into their states.
//
//go:noescape
func blocks(states *[2]state, a, b *byte, n int)

// cpuid returns EBX of a leaf, which the processor must have.
func cpuid(leaf, sub uint32) (ebx uint32)
