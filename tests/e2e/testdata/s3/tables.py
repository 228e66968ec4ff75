"""What libraries for tables and data sets do on S3. Argument: endpoint. Keys come from the environment."""
import io
import os
import sys
import threading

import deltalake
import duckdb
import duckdb_extension_httpfs
import minio
import obstore
import pyarrow
import pyarrow.dataset
import pyarrow.fs
import s3fs
from minio.commonconfig import ComposeSource
from obstore.store import S3Store
from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

endpoint = sys.argv[1]
host = endpoint.removeprefix("http://")
key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
B = "tables"
ODD = "a dir/ö +%25&=b"


def expect(want, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except want:
        return
    raise AssertionError(f"{want} expected")


def fsspec():
    """Files of fsspec, and exclusive creation by conditions."""
    f = s3fs.S3FileSystem(endpoint_url=endpoint)
    f.makedirs(B, exist_ok=True)
    f.pipe(f"{B}/fs/{ODD}", b"x" * 100)
    with f.open(f"{B}/fs/big", "wb", block_size=5 << 20) as o:
        for _ in range(12):
            o.write(os.urandom(1 << 20))
    with f.open(f"{B}/fs/big", "ab") as o:
        o.write(b"end")
    assert f.info(f"{B}/fs/big")["size"] == (12 << 20) + 3 and f.tail(f"{B}/fs/big", 3) == b"end"
    f.cp(f"{B}/fs/{ODD}", f"{B}/fs/copy")
    f.mv(f"{B}/fs/copy", f"{B}/fs/moved")
    f.merge(f"{B}/fs/merged", [f"{B}/fs/big", f"{B}/fs/big"])
    assert f.du(f"{B}/fs") == 200 + 3 * ((12 << 20) + 3), f.du(f"{B}/fs")
    f.pipe_file(f"{B}/fs/once", b"1", mode="create")
    expect(FileExistsError, f.pipe_file, f"{B}/fs/once", b"2", mode="create")
    with f.open(f"{B}/fs/parts", "xb") as o:
        o.write(b"1" * (11 << 20))

    def again():
        with f.open(f"{B}/fs/parts", "xb") as o:
            o.write(b"2" * (11 << 20))

    expect(FileExistsError, again)
    assert f.cat(f"{B}/fs/parts")[:1] == b"1" and f.cat(f"{B}/fs/once") == b"1"
    f.rm(f"{B}/fs", recursive=True)
    f.invalidate_cache()
    assert not f.exists(f"{B}/fs")


def arrow():
    f = pyarrow.fs.S3FileSystem(endpoint_override=endpoint, region="us-east-1")
    t = pyarrow.table({"i": list(range(100_000)), "p": [i % 5 for i in range(100_000)]})
    for _ in range(2):
        pyarrow.dataset.write_dataset(t, f"{B}/ds", filesystem=f, format="parquet", partitioning=["p"], existing_data_behavior="delete_matching")
    assert pyarrow.dataset.dataset(f"{B}/ds", filesystem=f, partitioning=["p"]).count_rows() == 100_000
    f.create_dir(f"{B}/x/y", recursive=True)
    kinds = [i.type.name for i in f.get_file_info([f"{B}/x", f"{B}/x/y", f"{B}/none", f"{B}/ds"])]
    assert kinds == ["Directory", "Directory", "NotFound", "Directory"], kinds
    f.delete_dir(f"{B}/x")
    f.delete_dir_contents(f"{B}/ds")


def delta():
    """Transactions whose log is created by conditions: of many writers none is lost."""
    options = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", "conditional_put": "etag"}
    path = f"s3://{B}/delta"
    row = lambda w: pyarrow.table({"w": [w]})
    deltalake.write_deltalake(path, row("first"), storage_options=options)

    def write(n):
        for _ in range(5):
            while True:
                try:
                    deltalake.write_deltalake(path, row(f"w{n}"), mode="append", storage_options=options)
                    break
                except deltalake.exceptions.CommitFailedError:
                    pass

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    t = deltalake.DeltaTable(path, storage_options=options)
    assert t.to_pyarrow_table().num_rows == 21 and t.version() == 20, t.version()
    t.optimize.compact()
    t.create_checkpoint()
    assert deltalake.DeltaTable(path, storage_options=options).to_pyarrow_table().num_rows == 21


def store():
    """The object_store crate: creation and replacement by conditions."""
    s = S3Store(B, endpoint=endpoint, client_options={"allow_http": True}, conditional_put="etag")
    first = obstore.put(s, "ob/a", b"1", mode="create")
    expect(obstore.exceptions.AlreadyExistsError, obstore.put, s, "ob/a", b"2", mode="create")
    obstore.put(s, "ob/a", b"3", mode={"e_tag": first["e_tag"]})
    expect(obstore.exceptions.PreconditionError, obstore.put, s, "ob/a", b"4", mode={"e_tag": first["e_tag"]})
    obstore.put(s, "ob/" + ODD, b"x" * (11 << 20))
    obstore.copy(s, "ob/" + ODD, "ob/c")
    obstore.rename(s, "ob/c", "ob/d")
    assert len(obstore.get(s, "ob/d").bytes()) == 11 << 20 and bytes(obstore.get(s, "ob/a").bytes()) == b"3"
    names = [m["path"] for page in obstore.list(s, "ob") for m in page]
    assert len(names) == 3, names
    obstore.delete(s, names)


def duck():
    c = duckdb.connect(config={"allow_unsigned_extensions": True})
    home = os.path.dirname(duckdb_extension_httpfs.__file__)
    c.execute(f"load '{home}/extensions/v{duckdb.__version__}/httpfs.duckdb_extension'")
    c.execute(f"create secret (type s3, key_id '{key}', secret '{secret}', endpoint '{host}', url_style 'path', use_ssl false, region 'us-east-1')")
    c.execute(f"copy (select i, i%3 p from range(1000000) r(i)) to 's3://{B}/duck/one.parquet'")
    c.execute(f"copy (select i, i%3 p from range(1000) r(i)) to 's3://{B}/duck/parts' (format parquet, partition_by (p))")
    assert c.execute(f"select sum(i) from 's3://{B}/duck/one.parquet'").fetchone()[0] == 499999500000
    assert c.execute(f"select count(*) from read_parquet('s3://{B}/duck/parts/*/*.parquet', hive_partitioning=true)").fetchone()[0] == 1000


def minio_py():
    c = minio.Minio(host, key, secret, secure=False)
    data = os.urandom(12 << 20)
    c.put_object(B, "m/" + ODD, io.BytesIO(data), -1, part_size=5 << 20)
    c.compose_object(B, "m/both", [ComposeSource(B, "m/" + ODD), ComposeSource(B, "m/" + ODD, offset=1, length=6 << 20)])
    assert c.get_object(B, "m/both").read() == data + data[1 : 1 + (6 << 20)]


def mountpoint():
    """The client of Mountpoint and PyTorch's connector, on AWS's common runtime."""
    c = MountpointS3Client(region="us-east-1", endpoint=endpoint, force_path_style=True, user_agent_prefix="x", throughput_target_gbps=1.0, part_size=8 << 20)
    data = os.urandom(20 << 20)
    w = c.put_object(B, "mp/" + ODD, None)
    for i in range(0, len(data), 1 << 20):
        w.write(data[i : i + (1 << 20)])
    w.close()
    assert b"".join(c.get_object(B, "mp/" + ODD)) == data
    assert [o.key for page in c.list_objects(B, "mp/") for o in page.object_info] == ["mp/" + ODD]
    c.delete_object(B, "mp/" + ODD)


for part in fsspec, arrow, delta, store, duck, minio_py, mountpoint:
    part()
print("tables: whole")
