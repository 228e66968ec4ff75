// What programs built on the SDK for JavaScript do, with its defaults. Arguments: endpoint, the SDK's directory.
import assert from 'node:assert';
import crypto from 'node:crypto';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';

const [endpoint, modules] = process.argv.slice(2);
const require = createRequire(modules + '/');
const { S3Client, CreateBucketCommand, PutObjectCommand, GetObjectCommand, HeadObjectCommand, CopyObjectCommand, DeleteObjectsCommand, ListObjectsV2Command, DeleteBucketCommand, paginateListObjectsV2 } = require('@aws-sdk/client-s3');
const { Upload } = require('@aws-sdk/lib-storage');
const { getSignedUrl } = require('@aws-sdk/s3-request-presigner');

const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true });
const Bucket = 'js-bucket';
await s3.send(new CreateBucketCommand({ Bucket }));
const data = crypto.randomBytes(12 << 20);
await s3.send(new PutObjectCommand({ Bucket, Key: 'one/é +', Body: data.subarray(0, 70000), Metadata: { who: 'me' } }));
const got = await s3.send(new GetObjectCommand({ Bucket, Key: 'one/é +' }));
assert(data.subarray(0, 70000).equals(Buffer.from(await got.Body.transformToByteArray())));
assert.deepStrictEqual(got.Metadata, { who: 'me' });
// A stream of unknown length goes in parts.
await new Upload({ client: s3, params: { Bucket, Key: 'streamed', Body: Readable.from(function* () { for (let i = 0; i < data.length; i += 100000) yield data.subarray(i, i + 100000); }()) }, partSize: 5 << 20, queueSize: 3 }).done();
const back = await s3.send(new GetObjectCommand({ Bucket, Key: 'streamed', ChecksumMode: 'ENABLED' }));
assert(data.equals(Buffer.from(await back.Body.transformToByteArray())));
await s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/streamed` }));
assert.strictEqual((await s3.send(new HeadObjectCommand({ Bucket, Key: 'copied' }))).ContentLength, data.length);
for (let i = 0; i < 25; i++) await s3.send(new PutObjectCommand({ Bucket, Key: `p/${i}`, Body: '' + i }));
const keys = [];
for await (const page of paginateListObjectsV2({ client: s3, pageSize: 10 }, { Bucket })) keys.push(...page.Contents.map((o) => o.Key));
assert.strictEqual(keys.length, 28);
const put = await fetch(await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: 'signed' })), { method: 'PUT', body: 'by url' });
assert.strictEqual(put.status, 200, await put.text());
const get = await fetch(await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: 'signed' })));
assert.strictEqual(await get.text(), 'by url');
await assert.rejects(s3.send(new GetObjectCommand({ Bucket, Key: 'nothing' })), { name: 'NoSuchKey' });
await assert.rejects(s3.send(new DeleteBucketCommand({ Bucket })), { name: 'BucketNotEmpty' });
const gone = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [...keys, 'signed'].map((Key) => ({ Key })) } }));
assert.strictEqual(gone.Errors, undefined);
assert.strictEqual((await s3.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);
await s3.send(new DeleteBucketCommand({ Bucket }));
