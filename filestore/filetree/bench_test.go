package filetree_test

import (
	"fmt"
	"io"
	"testing"

	"github.com/truckee-fs/truckee/caps"
	"github.com/truckee-fs/truckee/filestore/filetree"
)

// The choice of the default chunk size: the cost of a byte by chunk length.
func BenchmarkSealChunk(b *testing.B) {
	for _, n := range []int64{4 * kib, 64 * kib, 256 * kib, 512 * kib, mib, 4 * mib} {
		plain := random(1, n)
		dst := make([]byte, filetree.SealedLen(n))
		b.Run(fmt.Sprintf("%dKiB", n/kib), func(b *testing.B) {
			b.SetBytes(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := filetree.SealChunk(dst, plain); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSealChunkNewBuffer(b *testing.B) {
	plain := random(1, mib)
	b.SetBytes(mib)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := filetree.SealChunk(nil, plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealChunkConvergent(b *testing.B) {
	plain := random(1, mib)
	dst := make([]byte, filetree.SealedLen(mib))
	secret := caps.KeyOf([32]byte{1})
	b.SetBytes(mib)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := filetree.SealChunkConvergent(secret, dst, plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenChunk(b *testing.B) {
	s := newStore()
	leaf := s.seal(b, filetree.Sealer{}, 0, random(1, mib))
	sealed, dst := s.blocks[leaf.Ref.ID], make([]byte, 0, mib)
	b.SetBytes(mib)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := filetree.OpenChunk(dst, leaf.Ref, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadAt is a stream of SFTP's longest reads through a cache, by the
// chunk size.
func BenchmarkReadAt(b *testing.B) {
	for _, step := range []int{32 << 10, 255 << 10, 1 << 20} {
		for _, chunk := range []int64{256 * kib, 512 * kib, mib, 4 * mib} {
			b.Run(fmt.Sprintf("%dKiB_of_%dKiB", step>>10, chunk/kib), func(b *testing.B) {
				s := newStore()
				const size = 64 * mib
				ref := s.file(b, random(1, size), chunk)
				cache := filetree.NewCache(16 * mib)
				r := filetree.NewReader(s, ref, cache)
				p := make([]byte, step)
				b.SetBytes(size)
				b.ReportAllocs()
				for b.Loop() {
					for off := int64(0); off < size; off += int64(len(p)) {
						if _, err := r.ReadAt(b.Context(), p, off); err != nil && err != io.EOF {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

// BenchmarkReadAtRandom is 4 KiB anywhere in a file that the cache doesn't hold.
func BenchmarkReadAtRandom(b *testing.B) {
	s := newStore()
	const size = 64 * mib
	ref := s.file(b, random(1, size), mib)
	r := filetree.NewReader(s, ref, filetree.NewCache(4*mib))
	p := make([]byte, 4096)
	off := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		off = (off + 7919*4096*13) % (size - 4096)
		if _, err := r.ReadAt(b.Context(), p, off); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBuild makes the nodes of a file of 16 GiB.
func BenchmarkBuild(b *testing.B) {
	leaf := newStore().seal(b, filetree.Sealer{}, 0, random(1, mib))
	leaves := make([]filetree.Leaf, 16<<10)
	for i := range leaves {
		leaves[i] = filetree.Leaf{Off: int64(i) * mib, Len: mib, Ref: leaf.Ref}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := filetree.Build(b.Context(), int(mib), leaves, 16<<30); err != nil {
			b.Fatal(err)
		}
	}
}
