//go:build !amd64

package sha256x2

func lanes() bool { return false }

func blocks(*[2]state, *byte, *byte, int) { panic("sha256x2: no lanes on this architecture") }
