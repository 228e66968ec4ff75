#include "textflag.h"

// SHA-256 of two messages at once, by the SHA extensions of x86 (FIPS 180-4, 6.2.2;
// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2,
// SHA256RNDS2, SHA256MSG1, SHA256MSG2). The rounds of one message wait for one
// another, each for four cycles; those of a second message take place meanwhile.
//
// Registers: X0 what SHA256RNDS2 takes implicitly; lane a: X1 (a b e f, from the
// highest word), X2 (c d g h), X3 to X6 the last 16 words of the schedule; lane b:
// X7, X8, X9 to X12; X13 and X14 in passing; X15 the order of bytes. DI the states,
// SI and DX the messages, CX blocks to go, R8 the constants.

// ROUNDS makes four rounds of one lane with the words in m and the constants at k.
#define ROUNDS(k, m, abef, cdgh) \
	VPADDD      k(R8), m, X0    \
	SHA256RNDS2 X0, abef, cdgh  \
	VPSHUFD     $0x0e, X0, X0   \
	SHA256RNDS2 X0, cdgh, abef

// WORDS replaces the oldest four words of the schedule, m0, by the next four.
#define WORDS(m0, m1, m2, m3, t) \
	SHA256MSG1 m1, m0         \
	VPALIGNR   $4, m2, m3, t  \
	VPADDD     t, m0, m0      \
	SHA256MSG2 m3, m0

// BOTH makes four rounds of both lanes with words that are at hand.
#define BOTH(k, a, b) \
	ROUNDS(k, a, X1, X2) \
	ROUNDS(k, b, X7, X8)

// NEXT makes the next four words and rounds of both lanes.
#define NEXT(k, a0, a1, a2, a3, b0, b1, b2, b3) \
	WORDS(a0, a1, a2, a3, X13) \
	WORDS(b0, b1, b2, b3, X14) \
	BOTH(k, a0, b0)

// NEXT4 is NEXT four times.
#define NEXT4(k0, k1, k2, k3) \
	NEXT(k0, X3, X4, X5, X6, X9, X10, X11, X12) \
	NEXT(k1, X4, X5, X6, X3, X10, X11, X12, X9) \
	NEXT(k2, X5, X6, X3, X4, X11, X12, X9, X10) \
	NEXT(k3, X6, X3, X4, X5, X12, X9, X10, X11)

// LOAD reads four words of a message.
#define LOAD(at, m) \
	VMOVDQU at, m       \
	VPSHUFB X15, m, m

// func blocks(states *[2]state, a, b *byte, n int)
TEXT ·blocks(SB), NOSPLIT, $0-32
	MOVQ states+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ n+24(FP), CX
	LEAQ constants<>(SB), R8
	VZEROUPPER
	VMOVDQU order<>(SB), X15
	VMOVDQU (DI), X1
	VMOVDQU 16(DI), X2
	VMOVDQU 32(DI), X7
	VMOVDQU 48(DI), X8

loop:
	LOAD((SI), X3)
	LOAD((DX), X9)
	LOAD(16(SI), X4)
	LOAD(16(DX), X10)
	LOAD(32(SI), X5)
	LOAD(32(DX), X11)
	LOAD(48(SI), X6)
	LOAD(48(DX), X12)
	BOTH(0, X3, X9)
	BOTH(16, X4, X10)
	BOTH(32, X5, X11)
	BOTH(48, X6, X12)
	NEXT4(64, 80, 96, 112)
	NEXT4(128, 144, 160, 176)
	NEXT4(192, 208, 224, 240)
	VPADDD (DI), X1, X1
	VPADDD 16(DI), X2, X2
	VPADDD 32(DI), X7, X7
	VPADDD 48(DI), X8, X8
	VMOVDQU X1, (DI)
	VMOVDQU X2, 16(DI)
	VMOVDQU X7, 32(DI)
	VMOVDQU X8, 48(DI)
	ADDQ $64, SI
	ADDQ $64, DX
	DECQ CX
	JNZ  loop
	RET

// func cpuid(leaf, sub uint32) (ebx uint32)
TEXT ·cpuid(SB), NOSPLIT, $0-12
	MOVL leaf+0(FP), AX
	MOVL sub+4(FP), CX
	CPUID
	MOVL BX, ebx+8(FP)
	RET

DATA order<>+0(SB)/8, $0x0405060700010203
DATA order<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL order<>(SB), RODATA|NOPTR, $16

DATA constants<>+0(SB)/4, $0x428a2f98
DATA constants<>+4(SB)/4, $0x71374491
DATA constants<>+8(SB)/4, $0xb5c0fbcf
DATA constants<>+12(SB)/4, $0xe9b5dba5
DATA constants<>+16(SB)/4, $0x3956c25b
DATA constants<>+20(SB)/4, $0x59f111f1
DATA constants<>+24(SB)/4, $0x923f82a4
DATA constants<>+28(SB)/4, $0xab1c5ed5
DATA constants<>+32(SB)/4, $0xd807aa98
DATA constants<>+36(SB)/4, $0x12835b01
DATA constants<>+40(SB)/4, $0x243185be
DATA constants<>+44(SB)/4, $0x550c7dc3
DATA constants<>+48(SB)/4, $0x72be5d74
DATA constants<>+52(SB)/4, $0x80deb1fe
DATA constants<>+56(SB)/4, $0x9bdc06a7
DATA constants<>+60(SB)/4, $0xc19bf174
DATA constants<>+64(SB)/4, $0xe49b69c1
DATA constants<>+68(SB)/4, $0xefbe4786
DATA constants<>+72(SB)/4, $0x0fc19dc6
DATA constants<>+76(SB)/4, $0x240ca1cc
DATA constants<>+80(SB)/4, $0x2de92c6f
DATA constants<>+84(SB)/4, $0x4a7484aa
DATA constants<>+88(SB)/4, $0x5cb0a9dc
DATA constants<>+92(SB)/4, $0x76f988da
DATA constants<>+96(SB)/4, $0x983e5152
DATA constants<>+100(SB)/4, $0xa831c66d
DATA constants<>+104(SB)/4, $0xb00327c8
DATA constants<>+108(SB)/4, $0xbf597fc7
DATA constants<>+112(SB)/4, $0xc6e00bf3
DATA constants<>+116(SB)/4, $0xd5a79147
DATA constants<>+120(SB)/4, $0x06ca6351
DATA constants<>+124(SB)/4, $0x14292967
DATA constants<>+128(SB)/4, $0x27b70a85
DATA constants<>+132(SB)/4, $0x2e1b2138
DATA constants<>+136(SB)/4, $0x4d2c6dfc
DATA constants<>+140(SB)/4, $0x53380d13
DATA constants<>+144(SB)/4, $0x650a7354
DATA constants<>+148(SB)/4, $0x766a0abb
DATA constants<>+152(SB)/4, $0x81c2c92e
DATA constants<>+156(SB)/4, $0x92722c85
DATA constants<>+160(SB)/4, $0xa2bfe8a1
DATA constants<>+164(SB)/4, $0xa81a664b
DATA constants<>+168(SB)/4, $0xc24b8b70
DATA constants<>+172(SB)/4, $0xc76c51a3
DATA constants<>+176(SB)/4, $0xd192e819
DATA constants<>+180(SB)/4, $0xd6990624
DATA constants<>+184(SB)/4, $0xf40e3585
DATA constants<>+188(SB)/4, $0x106aa070
DATA constants<>+192(SB)/4, $0x19a4c116
DATA constants<>+196(SB)/4, $0x1e376c08
DATA constants<>+200(SB)/4, $0x2748774c
DATA constants<>+204(SB)/4, $0x34b0bcb5
DATA constants<>+208(SB)/4, $0x391c0cb3
DATA constants<>+212(SB)/4, $0x4ed8aa4a
DATA constants<>+216(SB)/4, $0x5b9cca4f
DATA constants<>+220(SB)/4, $0x682e6ff3
DATA constants<>+224(SB)/4, $0x748f82ee
DATA constants<>+228(SB)/4, $0x78a5636f
DATA constants<>+232(SB)/4, $0x84c87814
DATA constants<>+236(SB)/4, $0x8cc70208
DATA constants<>+240(SB)/4, $0x90befffa
DATA constants<>+244(SB)/4, $0xa4506ceb
DATA constants<>+248(SB)/4, $0xbef9a3f7
DATA constants<>+252(SB)/4, $0xc67178f2
GLOBL constants<>(SB), RODATA|NOPTR, $256
