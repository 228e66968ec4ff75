"""asyncssh sends many requests without waiting. Arguments: port, user, key, directory for local files."""
import asyncio
import os
import sys

import asyncssh

port, user, key, local = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]


async def main():
    tree = os.path.join(local, "tree")
    for d in range(5):
        os.makedirs(os.path.join(tree, "d%d" % d))
        for f in range(40):
            with open(os.path.join(tree, "d%d" % d, "f%d" % f), "wb") as out:
                out.write(os.urandom(1 + 3000 * f))
    async with asyncssh.connect("127.0.0.1", port, username=user, client_keys=[key], known_hosts=None, config=None) as conn:
        async with conn.start_sftp_client() as sftp:
            await sftp.put(tree, "/a", recurse=True, preserve=True)
            await sftp.get("/a", os.path.join(local, "back"), recurse=True, preserve=True)
            # Independent changes, all at once, in one session.
            await asyncio.gather(*(sftp.mkdir("/m%d" % i) for i in range(100)))
            await asyncio.gather(*(sftp.rename("/m%d" % i, "/a/m%d" % i) for i in range(100)))
            await asyncio.gather(*(sftp.rmdir("/a/m%d" % i) for i in range(100)))
            await asyncio.gather(*(write(sftp, i) for i in range(100)))
            assert sorted(n for n in await sftp.listdir("/") if n not in (".", "..")) == sorted(["a"] + ["w%d" % i for i in range(100)])
            got = await asyncio.gather(*(read(sftp, i) for i in range(100)))
            assert got == [b"contents of %d" % i for i in range(100)], got
            await asyncio.gather(*(sftp.remove("/w%d" % i) for i in range(100)))
            await sftp.symlink("a/d0", "/s")  # in the draft's order, as we aren't OpenSSH
            assert await sftp.readlink("/s") == "a/d0" and len(await sftp.listdir("/s")) == 42
            await sftp.remove("/s")
            stat = await sftp.statvfs("/")
            assert stat.namemax == 255 and stat.bsize == stat.frsize


async def write(sftp, i):
    async with sftp.open("/w%d" % i, "wb") as f:
        await f.write(b"contents of %d" % i)


async def read(sftp, i):
    async with sftp.open("/w%d" % i, "rb") as f:
        return await f.read()


asyncio.run(main())
