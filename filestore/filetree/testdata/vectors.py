"""Writes vectors.json: known answers for docs/formats.md, sections 2 and 3.

Made from the text alone, with Python's cryptography package, so that the Go
code and the text are checked against each other. Run it in this directory.
"""

import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM



def H(b):
    return hashlib.sha256(b).digest()


def KDF(key, label, ctx=b""):
    return hmac.new(key, b"truckee/1/" + label + b"\0" + ctx, hashlib.sha256).digest()


def header(type_, flags, level, log_frame, a, b):
    return b"Tk" + bytes([type_, 1, flags, level, log_frame, 0]) + struct.pack(">II", a, b)


def pattern(n):
    """Plaintext: byte i is i * 7 + i // 256, modulo 256."""
    return bytes((i * 7 + i // 256) % 256 for i in range(n))


def chunk(plain, padded, log_frame, key=None, secret=None):
    body = plain + bytes(padded - len(plain))
    size = 1 << log_frame
    frames = [body[i : i + size] for i in range(0, len(body), size)]
    hdr = header(1, 1 if padded > len(plain) else 0, 0, log_frame, padded, len(frames))
    if key is None:
        key = hmac.new(secret, b"truckee/1/conv\0" + hdr + body, hashlib.sha256).digest()
    gcm = AESGCM(key)
    sealed = [
        gcm.encrypt(i.to_bytes(12, "big"), f, hdr + struct.pack(">I", i)) for i, f in enumerate(frames)
    ]
    head = hdr + b"".join(H(s) for s in sealed)
    return key, H(head), head + b"".join(sealed)


def node(kr, level, log_chunk, ragged, kids, patches=()):
    """kids: (id, K or Kr, bytes below); patches: (child, id, K, [(offset, length)])"""
    kv = KDF(kr, b"fnode-verify")
    total = sum(size for _, _, size in kids)
    v = struct.pack(">QBH5x", total, log_chunk, len(kids))
    r = b""
    for id_, key, size in kids:
        v += id_
        if level > 0:
            v += KDF(key, b"fnode-verify") if any(id_) else bytes(32)
        if ragged:
            v += struct.pack(">Q", size)
        r += key
    for i, id_, key, extents in patches:
        v += struct.pack(">H", i) + id_ + struct.pack(">I", sum(n for _, n in extents))
        r += key + struct.pack(">H", len(extents))
        for off, n in extents:
            r += struct.pack(">II", off, n)
    hdr = header(2, (2 if ragged else 0) | (4 if patches else 0), level, 0, len(v) + 16, len(r) + 16)
    block = hdr + AESGCM(KDF(kv, b"fnode-v")).encrypt(bytes(12), v, hdr)
    block += AESGCM(KDF(kr, b"fnode-r")).encrypt(bytes(12), r, hdr)
    return kv, H(block), block


def key(n):
    return bytes((n + i) % 256 for i in range(32))


def hexes(**kw):
    return {k: v.hex() if isinstance(v, bytes) else v for k, v in kw.items()}


chunks, nodes = [], []
SIZES = [(1, 1), (100, 100), (100, 128), (5000, 8192), (16384, 16384), (16385, 16385), (65536, 65540), (300000, 300000), (60000, 262144)]
WIDE = [(100, 128), (65536, 65536), (65537, 65537), (300000, 300000), (60000, 262144)]
for n, padded, log_frame in [(*s, 14) for s in SIZES] + [(*s, 16) for s in WIDE]:
    for convergent in (False, True):
        secret = key(200)
        k, id_, block = chunk(pattern(n), padded, log_frame, secret=secret) if convergent else chunk(pattern(n), padded, log_frame, key=key(n % 251))
        out = hexes(plain=n, padded=padded, frame_log=log_frame, key=k, id=id_, sha256=H(block), length=len(block))
        if convergent:
            out["secret"] = secret.hex()
        if len(block) < 400:
            out["block"] = block.hex()
        chunks.append(out)

C = 1 << 18
leaf = [(H(b"chunk %d" % i), H(b"key %d" % i)) for i in range(3)]
HOLE = (bytes(32), bytes(32))


def add(name, kr, level, log_chunk, ragged, kids, patches=()):
    kv, id_, block = node(kr, level, log_chunk, ragged, kids, patches)
    nodes.append(
        hexes(name=name, kr=kr, kv=kv, id=id_, block=block, level=level, grid=log_chunk, ragged=ragged)
        | {"kids": [hexes(id=i, key=k, size=s) for i, k, s in kids]}
        | {"patches": [hexes(child=c, id=i, key=k) | {"extents": x} for c, i, k, x in patches]}
    )
    return id_, kr


total = lambda kids: sum(k[2] for k in kids)
a = [(*leaf[0], C), (*HOLE, C), (*leaf[2], 77)]
low = add("aligned", key(10), 0, 18, False, a)
b = [(*leaf[0], 5), (*leaf[1], C), (*HOLE, 1 << 40), (*leaf[2], 77)]
rag = add("ragged", key(11), 0, 18, True, b)
add("one hole of 2^62 bytes", key(12), 6, 18, False, [(*HOLE, 1 << 60)] * 4)
add("aligned above", key(13), 1, 18, False, [(*low, total(a))])
add("ragged above", key(14), 1, 0, True, [(*low, total(a)), (*HOLE, 3), (*rag, total(b))])

over = [(H(b"patch %d" % i), H(b"patch key %d" % i)) for i in range(4)]
add("patched", key(15), 0, 18, False, a, [(0, *over[0], [(4096, 4096), (C - 1, 1)]), (1, *over[1], [(0, 100)])])
many = [(3 * i, 2) for i in range(32)]
add("patched and ragged", key(16), 0, 18, True, b, [(0, *over[2], [(0, 5)]), (1, *over[3], many), (3, *over[0], [(70, 7)])])
add("patched, one child", key(17), 0, 20, False, [(*leaf[1], 300000)], [(0, *over[1], [(7, 1 << 18)])])

with open("vectors.json", "w") as f:
    json.dump({"chunks": chunks, "nodes": nodes}, f, indent=1)
    f.write("\n")
