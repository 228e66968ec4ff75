// What programs built on ssh2-sftp-client do. Arguments: port, user, key, a directory of ours.
'use strict';
const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const Client = require('ssh2-sftp-client');

const [port, username, key, home] = process.argv.slice(2);

async function main() {
  const c = new Client();
  await c.connect({ host: '127.0.0.1', port: Number(port), username, privateKey: fs.readFileSync(key) });
  const data = crypto.randomBytes(3 << 20);
  const local = path.join(home, 'node');
  fs.writeFileSync(local, data);
  await c.mkdir('/n/deep/er', true);
  await c.fastPut(local, '/n/fast', { concurrency: 64, chunkSize: 32768 });
  await c.fastGet('/n/fast', local + '.back', { concurrency: 64, chunkSize: 32768 });
  assert(data.equals(fs.readFileSync(local + '.back')), 'fastGet');
  await c.put(fs.createReadStream(local), '/n/stream');
  assert(data.equals(await c.get('/n/stream')), 'get of a stream');
  await c.put(Buffer.from('one'), '/n/appended');
  await c.append(Buffer.from(' two'), '/n/appended');
  assert.strictEqual((await c.get('/n/appended')).toString(), 'one two');
  await c.rename('/n/stream', '/n/deep/moved');
  await c.posixRename('/n/deep/moved', '/n/fast');
  await c.rcopy('/n/fast', '/n/copied');
  await c.chmod('/n/copied', 0o600);
  const stat = await c.stat('/n/copied');
  assert(stat.isFile && stat.size === data.length && (stat.mode & 0o777) === 0o600, 'stat');
  assert.strictEqual(await c.exists('/n/nothing'), false);
  assert.strictEqual(await c.exists('/n/deep'), 'd');
  assert.deepStrictEqual((await c.list('/n')).map((e) => e.name).sort(), ['appended', 'copied', 'deep', 'fast']);
  await new Promise((done, fail) => c.sftp.symlink('deep', '/n/link', (err) => (err ? fail(err) : done()))); // in the draft's order, as we aren't OpenSSH
  assert.strictEqual(await c.exists('/n/link'), 'l');
  assert.strictEqual(await c.realPath('/n/link'), '/n/link');
  await new Promise((done, fail) => c.sftp.readlink('/n/link', (err, text) => (err || text !== 'deep' ? fail(err || new Error(text)) : done())));
  await c.delete('/n/link');
  await assert.rejects(c.rmdir('/n'), /./);
  await c.rmdir('/n', true);
  assert.strictEqual(await c.exists('/n'), false);
  const up = path.join(home, 'tree');
  fs.mkdirSync(path.join(up, 'a', 'b'), { recursive: true });
  for (let i = 0; i < 100; i++) fs.writeFileSync(path.join(up, i % 2 ? 'a' : 'a/b', `file ${i}`), crypto.randomBytes(i * 97));
  await c.uploadDir(up, '/tree');
  await c.downloadDir('/tree', up + '.back');
  for (let i = 0; i < 100; i++) {
    const name = path.join(i % 2 ? 'a' : 'a/b', `file ${i}`);
    assert(fs.readFileSync(path.join(up, name)).equals(fs.readFileSync(path.join(up + '.back', name))), name);
  }
  await c.end();
}

main().catch((err) => { console.error(err); process.exit(1); });
