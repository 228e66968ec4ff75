"""What programs built on boto3 do, with its defaults. Arguments: endpoint, a directory of ours. Keys come from the environment."""
import base64
import concurrent.futures
import hashlib
import io
import os
import sys
import urllib.error
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, home = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=Config(signature_version="s3v4"))
B = "boto3-bucket"
SUMS = tuple(int(n) for n in boto3.__version__.split(".")[:2]) >= (1, 36)  # whether checksums are its default


def refused(code, call, *args, status=None, **kwargs):
    try:
        call(*args, **kwargs)
    except ClientError as e:
        got = e.response["Error"]["Code"]
        assert got == code, (code, got, e)
        assert status is None or e.response["ResponseMetadata"]["HTTPStatusCode"] == status, e
        return e
    raise AssertionError(f"{code} expected")


def body(**kwargs):
    return s3.get_object(Bucket=B, **kwargs)["Body"].read()


s3.create_bucket(Bucket=B)
assert B in [b["Name"] for b in s3.list_buckets()["Buckets"]]
assert not s3.get_bucket_location(Bucket=B).get("LocationConstraint")
s3.head_bucket(Bucket=B)
refused("404", s3.head_bucket, Bucket="no-such-bucket-of-ours", status=404)
refused("NoSuchBucket", s3.list_objects_v2, Bucket="no-such-bucket-of-ours", status=404)
refused("InvalidBucketName", s3.create_bucket, Bucket="192.168.5.4", status=400)

# A put by defaults carries a checksum behind the body, and get verifies it.
data = os.urandom(300_000)
put = s3.put_object(Bucket=B, Key="a/b c+d%/é", Body=data, ContentType="text/x-ours", CacheControl="max-age=7",
                    Metadata={"who": "me", "what": "a b"}, Tagging="k1=v1&k2=v%202")
assert put["ETag"] == '"%s"' % hashlib.md5(data).hexdigest(), put
got = s3.get_object(Bucket=B, Key="a/b c+d%/é", ChecksumMode="ENABLED")
assert got["Body"].read() == data and got["ContentType"] == "text/x-ours" and got["CacheControl"] == "max-age=7"
assert got["Metadata"] == {"who": "me", "what": "a b"} and got["TagCount"] == 2 and ("ChecksumCRC32" in got) == SUMS, got
assert {t["Key"]: t["Value"] for t in s3.get_object_tagging(Bucket=B, Key="a/b c+d%/é")["TagSet"]} == {"k1": "v1", "k2": "v 2"}
for algorithm in "CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME":
    try:
        s3.put_object(Bucket=B, Key="sum/" + algorithm, Body=data[:1000], ChecksumAlgorithm=algorithm)
    except Exception as e:  # botocore wants its C library for some of them
        assert "crt" in str(e).lower() or not SUMS and algorithm == "CRC64NVME", e
        continue
    head = s3.head_object(Bucket=B, Key="sum/" + algorithm, ChecksumMode="ENABLED")
    assert head["Checksum" + algorithm] and head["ContentLength"] == 1000
refused("BadDigest", s3.put_object, Bucket=B, Key="bad", Body=b"x", ContentMD5=base64.b64encode(hashlib.md5(b"y").digest()).decode(), status=400)
refused("NoSuchKey", s3.get_object, Bucket=B, Key="bad", status=404)

# Ranges and conditions.
assert body(Key="a/b c+d%/é", Range="bytes=10-19") == data[10:20] and body(Key="a/b c+d%/é", Range="bytes=-5") == data[-5:]
refused("InvalidRange", s3.get_object, Bucket=B, Key="a/b c+d%/é", Range="bytes=300000-", status=416)
refused("304", s3.head_object, Bucket=B, Key="a/b c+d%/é", IfNoneMatch=put["ETag"], status=304)
refused("PreconditionFailed", s3.get_object, Bucket=B, Key="a/b c+d%/é", IfMatch='"0"', status=412)
refused("PreconditionFailed", s3.put_object, Bucket=B, Key="a/b c+d%/é", Body=b"", IfNoneMatch="*", status=412)


def create(i):
    try:
        s3.put_object(Bucket=B, Key="lock", Body=b"%d" % i, IfNoneMatch="*")
        return 1
    except ClientError as e:
        assert e.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412), e
        return 0


with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert sum(pool.map(create, range(16))) == 1
etag = s3.head_object(Bucket=B, Key="lock")["ETag"]
s3.put_object(Bucket=B, Key="lock", Body=b"next", IfMatch=etag)
refused("PreconditionFailed", s3.put_object, Bucket=B, Key="lock", Body=b"late", IfMatch=etag, status=412)

# The transfer manager: parts at once, both ways, copies.
big = os.urandom(21 << 20)
s3.upload_fileobj(io.BytesIO(big), B, "big", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
head = s3.head_object(Bucket=B, Key="big")
assert head["ContentLength"] == len(big) and head["ETag"].endswith('-5"'), head
back = io.BytesIO()
s3.download_fileobj(B, "big", back, Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
assert back.getvalue() == big
s3.copy({"Bucket": B, "Key": "big"}, B, "copied", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=6 << 20))
assert body(Key="copied") == big
s3.copy_object(Bucket=B, Key="copied", CopySource={"Bucket": B, "Key": "a/b c+d%/é"}, MetadataDirective="REPLACE", Metadata={"new": "1"})
assert body(Key="copied") == data and s3.head_object(Bucket=B, Key="copied")["Metadata"] == {"new": "1"}
parts = s3.get_object_attributes(Bucket=B, Key="big", ObjectAttributes=["ETag", "ObjectParts", "ObjectSize", "StorageClass"])
assert parts["ObjectSize"] == len(big) and parts["ObjectParts"]["TotalPartsCount"] == 5, parts

# Multipart by hand: any order, a part again, a retried completion, an abort.
m = s3.create_multipart_upload(Bucket=B, Key="m")["UploadId"]
two = s3.upload_part(Bucket=B, Key="m", UploadId=m, PartNumber=7, Body=b"tail")
s3.upload_part(Bucket=B, Key="m", UploadId=m, PartNumber=2, Body=big[: 5 << 20])
one = s3.upload_part(Bucket=B, Key="m", UploadId=m, PartNumber=2, Body=big[5 << 20: 10 << 20])
assert [p["PartNumber"] for p in s3.list_parts(Bucket=B, Key="m", UploadId=m)["Parts"]] == [2, 7]
assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=B)["Uploads"]] == [m]
done = {"Parts": [{"PartNumber": 2, "ETag": one["ETag"]}, {"PartNumber": 7, "ETag": two["ETag"]}]}
refused("InvalidPartOrder", s3.complete_multipart_upload, Bucket=B, Key="m", UploadId=m, MultipartUpload={"Parts": done["Parts"][::-1]})
first = s3.complete_multipart_upload(Bucket=B, Key="m", UploadId=m, MultipartUpload=done)
assert s3.complete_multipart_upload(Bucket=B, Key="m", UploadId=m, MultipartUpload=done)["ETag"] == first["ETag"]
assert body(Key="m") == big[5 << 20: 10 << 20] + b"tail" and body(Key="m", PartNumber=7) == b"tail"
m = s3.create_multipart_upload(Bucket=B, Key="never")["UploadId"]
s3.upload_part(Bucket=B, Key="never", UploadId=m, PartNumber=1, Body=b"gone")
s3.abort_multipart_upload(Bucket=B, Key="never", UploadId=m)
refused("NoSuchUpload", s3.upload_part, Bucket=B, Key="never", UploadId=m, PartNumber=1, Body=b"x", status=404)

# Listings: every key shape, each once, in byte order, on any page size.
keys = ["l/a", "l/a/", "l/a/b", "l/a//b", "l/a-b", "l/a.b", "l//x", "l/./y", "l/../z", "l/ é", "l/+%20", "l/" + "n" * 300] + ["l/many/%03d" % i for i in range(120)]
for k in keys:
    s3.put_object(Bucket=B, Key=k, Body=k.encode())
want = sorted(keys, key=lambda k: k.encode())
for size in 1, 7, 1000:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=B, Prefix="l/", PaginationConfig={"PageSize": size})
    assert [o["Key"] for p in pages for o in p.get("Contents", [])] == want, size
    pages = list(s3.get_paginator("list_objects").paginate(Bucket=B, Prefix="l/", Delimiter="/", PaginationConfig={"PageSize": size}))
    prefixes = [c["Prefix"] for p in pages for c in p.get("CommonPrefixes", [])]
    assert sorted(prefixes) == sorted(set(prefixes)) == sorted(["l//", "l/./", "l/../", "l/a/", "l/many/"]), prefixes
for k in keys[:12]:
    assert body(Key=k) == k.encode()
gone = s3.delete_objects(Bucket=B, Delete={"Objects": [{"Key": k} for k in keys]})
assert len(gone["Deleted"]) == len(keys) and "Errors" not in gone
assert "Contents" not in s3.list_objects_v2(Bucket=B, Prefix="l/")

# What is signed ahead: get, put, a browser's form.
url = s3.generate_presigned_url("get_object", Params={"Bucket": B, "Key": "m", "ResponseContentDisposition": "attachment; filename=m"})
with urllib.request.urlopen(url) as r:
    assert r.read()[-4:] == b"tail" and r.headers["Content-Disposition"] == "attachment; filename=m"
url = s3.generate_presigned_url("put_object", Params={"Bucket": B, "Key": "signed"})
urllib.request.urlopen(urllib.request.Request(url, data=b"by url", method="PUT")).read()
assert body(Key="signed") == b"by url"
try:
    urllib.request.urlopen(url.replace("signed", "other"))
    raise AssertionError("a signature of another key")
except urllib.error.HTTPError as e:
    assert e.code == 403
form = s3.generate_presigned_post(B, "form/${filename}", Conditions=[["content-length-range", 1, 100]])
fields = "".join(f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in form["fields"].items())
fields += '--x\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\nContent-Type: text/plain\r\n\r\nby form\r\n--x--\r\n'
request = urllib.request.Request(form["url"], data=fields.encode(), headers={"Content-Type": "multipart/form-data; boundary=x"})
assert urllib.request.urlopen(request).status == 204
assert body(Key="form/f.txt") == b"by form"

# Versions.
s3.put_bucket_versioning(Bucket=B, VersioningConfiguration={"Status": "Enabled"})
v1 = s3.put_object(Bucket=B, Key="v", Body=b"1")["VersionId"]
v2 = s3.put_object(Bucket=B, Key="v", Body=b"2")["VersionId"]
marker = s3.delete_object(Bucket=B, Key="v")
assert marker["DeleteMarker"] and marker["VersionId"] not in (v1, v2)
refused("NoSuchKey", s3.get_object, Bucket=B, Key="v", status=404)
assert body(Key="v", VersionId=v1) == b"1"
listed = s3.list_object_versions(Bucket=B, Prefix="v")
assert [v["VersionId"] for v in listed["Versions"]] == [v2, v1] and listed["DeleteMarkers"][0]["IsLatest"], listed
s3.delete_object(Bucket=B, Key="v", VersionId=marker["VersionId"])
assert body(Key="v") == b"2"
s3.delete_object(Bucket=B, Key="v", VersionId=v2)
assert body(Key="v") == b"1"
refused("BucketNotEmpty", s3.delete_bucket, Bucket=B, status=409)

versions = [{"Key": o["Key"], "VersionId": o["VersionId"]} for p in s3.get_paginator("list_object_versions").paginate(Bucket=B)
            for o in p.get("Versions", []) + p.get("DeleteMarkers", [])]
assert "Errors" not in s3.delete_objects(Bucket=B, Delete={"Objects": versions})
s3.delete_bucket(Bucket=B)

# What must not be changed for a while.
L = "boto3-locked"
s3.create_bucket(Bucket=L, ObjectLockEnabledForBucket=True)
held = s3.put_object(Bucket=L, Key="held", Body=b"x", ObjectLockLegalHoldStatus="ON")["VersionId"]
refused("AccessDenied", s3.delete_object, Bucket=L, Key="held", VersionId=held, status=403)
s3.put_object_legal_hold(Bucket=L, Key="held", LegalHold={"Status": "OFF"})
s3.delete_object(Bucket=L, Key="held", VersionId=held)
s3.delete_bucket(Bucket=L)
print("boto3: whole")
