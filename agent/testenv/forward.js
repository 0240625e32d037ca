// A Forward receiver: node forward.js OPTIONS OUTPUT
// OPTIONS is a JSON file with the FluentServer's options, OUTPUT the file to
// which each entry is appended as one line {"tag":..,"time":<ns>,"record":{..}}.
'use strict';
const fs = require('fs');
const {FluentServer} = require('@fluent-org/logger');

const options = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const out = fs.openSync(process.argv[3], 'a');
const flushBytes = 1 << 18;

let pending = [];
let size = 0;
function flush() {
  if (size === 0) return;
  const data = Buffer.from(pending.join(''));
  pending = [];
  size = 0;
  for (let at = 0; at < data.length; ) at += fs.writeSync(out, data, at);
}

// Nanoseconds as digits: as a number they would lose the last ones.
function nanoseconds(time) {
  if (typeof time === 'number') return `${time}000000000`;
  return `${time.epoch}${String(time.nano).padStart(9, '0')}`;
}

function plain(key, value) {
  if (value instanceof Uint8Array) return {base64: Buffer.from(value).toString('base64')};
  return typeof value === 'bigint' ? Number(value) : value;
}

for (const name of ['ca', 'cert', 'key']) {
  if (options.tlsOptions && options.tlsOptions[name]) {
    options.tlsOptions[name] = fs.readFileSync(options.tlsOptions[name]);
  }
}
const server = new FluentServer(options);
server.on('entry', (tag, time, record) => {
  const line = `{"tag":${JSON.stringify(tag)},"time":${nanoseconds(time)},"record":${JSON.stringify(record, plain)}}\n`;
  pending.push(line);
  size += line.length;
  if (size >= flushBytes) flush();
});
setInterval(flush, 10);

// The server acknowledges a chunk and emits its entries in one go, so between
// two events all that was acknowledged is in pending: nothing of it is lost here.
process.on('SIGTERM', () => {
  flush();
  process.exit(0);
});
// A connection that the client broke off is not the receiver's end.
process.on('uncaughtException', err => {
  console.error(err);
  if (!['ECONNRESET', 'EPIPE', 'ECONNABORTED'].includes(err.code)) process.exit(1);
});
server.server.on('error', err => {
  console.error(err);
  process.exit(1);
});
server.listen().then(() => console.error('listening on', server.port));
