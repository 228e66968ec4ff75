"""What people do with paramiko, pysftp and fabric. Arguments: port, user, key, directory for local files."""
import hashlib
import os
import stat
import sys
import threading

import paramiko

port, user, key, local = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", port, user, key_filename=key, allow_agent=False, look_for_keys=False)
sftp = client.open_sftp()


def check(what, ok):
    if not ok:
        raise SystemExit("paramiko: " + what)


def refused(what, errno, call, *args):
    try:
        call(*args)
    except IOError as e:
        check("%s: %r" % (what, e), errno is None or e.errno == errno)
    else:
        raise SystemExit("paramiko: %s succeeded" % what)


data = os.urandom(5 << 20)
big = os.path.join(local, "big")
with open(big, "wb") as f:
    f.write(data)

# put with confirm stats the file at once and compares sizes; get prefetches.
sftp.mkdir("/p")
sftp.chdir("/p")
check("put", sftp.put(big, "big").st_size == len(data))
check("an empty put", sftp.putfo(open(os.devnull, "rb"), "empty").st_size == 0)
sftp.get("big", big + ".back")
check("get", open(big + ".back", "rb").read() == data)

# Many reads in flight, some beyond the end.
with sftp.open("big", "rb", bufsize=0) as f:
    parts = list(f.readv([(0, 100), (len(data) - 50, 50), (1 << 20, 300000)]))
check("readv", parts[0] == data[:100] and parts[1] == data[-50:] and parts[2] == data[1 << 20:(1 << 20) + 300000])
with sftp.open("big", "rb") as f:
    f.seek(-10, os.SEEK_END)
    check("seek", f.read(100) == data[-10:])
    check("check", f.check("sha256") == hashlib.sha256(data).digest())
    check("check of blocks", f.check("md5", 0, 1000, 600) == hashlib.md5(data[:600]).digest() + hashlib.md5(data[600:1000]).digest())

# Written in place, appended to, cut.
with sftp.open("text", "w") as f:
    f.set_pipelined(True)
    for i in range(1000):
        f.write("line %d\n" % i)
with sftp.open("text", "a") as f:
    f.write("end\n")
with sftp.open("text", "r+") as f:
    f.write("LINE")
    check("tell", f.tell() == 4)
lines = sftp.open("text").readlines()
check("lines", len(lines) == 1001 and lines[0] == "LINE 0\n" and lines[-1] == "end\n")
sftp.truncate("text", 7)
check("truncate", sftp.open("text").read() == b"LINE 0\n")
with sftp.open("excl", "wx") as f:
    f.write("x")
refused("exclusive create", None, sftp.open, "excl", "wx")
refused("open of nothing", 2, sftp.open, "nothing")

# Attributes.
sftp.chmod("text", 0o640)
sftp.utime("text", (1000000000, 1000000001))
sftp.chown("text", 1234, 5678)
a = sftp.stat("text")
check("attributes", (a.st_mode, a.st_atime, a.st_mtime, a.st_uid, a.st_gid) == (stat.S_IFREG | 0o640, 1000000000, 1000000001, 1234, 5678))
sftp.symlink("text", "link")
check("symlink", sftp.readlink("link") == "text" and stat.S_ISLNK(sftp.lstat("link").st_mode) and sftp.stat("link").st_size == 7)
check("normalize", sftp.normalize("./x/../text") == "/p/text" and sftp.normalize(".") == "/p")

# Names.
refused("rename over", None, sftp.rename, "excl", "text")
sftp.posix_rename("excl", "text")
refused("mkdir again", None, sftp.mkdir, "/p")
refused("rmdir of a full directory", None, sftp.rmdir, "/p")
refused("remove of nothing", 2, sftp.remove, "nothing")
for name in ("caf\u00e9", "a b", "tab\tand\nnewline", "n" * 255):
    sftp.putfo(open(os.devnull, "rb"), name)
    check("name %r" % name, name in sftp.listdir())
    sftp.remove(name)
refused("a name of 256 bytes", None, sftp.open, "n" * 256, "w")
check("listing", sorted(sftp.listdir()) == ["big", "empty", "link", "text"])
check("listdir_iter", sorted(i.filename for i in sftp.listdir_iter()) == sorted(sftp.listdir()))

# Ten channels of one connection at once, several threads each on one file.
def work(n, failures):
    try:
        with client.open_sftp() as s:
            for i in range(5):
                s.putfo(open(big, "rb"), "/p/t%d" % n)
                s.getfo("/p/t%d" % n, open(os.devnull, "wb"))
                s.remove("/p/t%d" % n)
    except Exception as e:
        failures.append(repr(e))


failures = []
threads = [threading.Thread(target=work, args=(n, failures)) for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
check("threads: %s" % failures, not failures)

# A rekey in the middle of transfers.
client.get_transport().packetizer.REKEY_BYTES = 1 << 20
sftp.put(big, "/p/rekeyed")
sftp.get("/p/rekeyed", big + ".back")
check("rekey", open(big + ".back", "rb").read() == data)

_, out, err = client.exec_command("md5sum /p/big")
check("exec", out.read().decode().split()[0] == hashlib.md5(data).hexdigest() and out.channel.recv_exit_status() == 0)
client.close()
