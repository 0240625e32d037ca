// A client of the Forward protocol: sends {"log": "0"}, {"log": "1"}, ... and
// ends when all are acknowledged.
//   forwardclient.js COUNT OPTIONS    the options are FluentClient's, as JSON
'use strict';
const fs = require('fs');
const {FluentClient} = require('@fluent-org/logger');

process.exitCode = 1; // where it ends before all is acknowledged
const count = Number(process.argv[2]);
const options = JSON.parse(process.argv[3]);
if (options.socket.tls) options.socket.tls.ca = fs.readFileSync(options.socket.tls.ca);
const client = new FluentClient('node', options);
const sent = [];
for (let i = 0; i < count; i++) sent.push(client.emit('app', {log: String(i)}));
Promise.all(sent).then(() => process.exit(0), err => {
  console.error(String(err));
  process.exit(1);
});
