// javascript.js - the peer of the benchmark in JavaScript: npm's pg and mysql2, joins in a Map.
//
//   node javascript.js scan SERVER
//   node javascript.js join SOURCE TARGET N
//   node javascript.js group SERVER
//
// SERVER is postgres or mysql, its URL in $TSKDB_TEST_...; what it reads is what joins.py and run.py
// have the product read.  Prints "seconds wall, seconds CPU, peak KiB" of all but connecting, then
// the number of rows and the bytes of text.  Each value is turned into a number or a string, as an
// application would use it (pg and mysql2 give decimals as text).
'use strict';

const BATCH = 5000;

async function connect(server) {
  const url = process.env['TSKDB_TEST_' + server.toUpperCase()];
  if (server === 'postgres') {
    const { Client } = require('pg');
    const client = new Client({ connectionString: url });
    await client.connect();
    return {
      query: async (text, values) => (await client.query({ text, values })).rows,
      list: (text, keys) => client.query({ name: 'list', text: text + ' = ANY($1)', values: [keys] }).then(r => r.rows),
      close: () => client.end(),
    };
  }
  const mysql = require('mysql2/promise');
  const client = await mysql.createConnection({ uri: url, dateStrings: true });
  return {
    query: async (text, values) => (await client.query(text, values))[0],
    list: async (text, keys) => (await client.query(text + ' IN (?)', [keys]))[0],
    close: () => client.end(),
  };
}

async function scan(db) {
  let n = 0, text = 0, sum = 0;
  for (const r of await db.query('SELECT id, n, amount, tax, d, name, hash FROM bench')) {
    n++;
    sum += r.id + r.n + Number(r.amount) + Number(r.tax);
    text += String(r.d).length + r.name.length + r.hash.length;
  }
  return `${n} rows, ${sum}, ${text}`;
}

// The keys that are new are asked for in batches; the rows are found in a Map.
async function join(source, target, n) {
  const outer = await source.query('SELECT id, k FROM bench_outer WHERE id <= ' + Number(n));
  const wanted = [...new Set(outer.map(r => r.k))];
  const inner = new Map();
  for (let i = 0; i < wanted.length; i += BATCH) {
    const rows = await target.list('SELECT id, amount, name FROM bench WHERE id', wanted.slice(i, i + BATCH));
    for (const r of rows) inner.set(r.id, r);
  }
  let rows = 0, text = 0, sum = 0;
  for (const o of outer) {
    const r = inner.get(o.k);
    if (!r) continue;
    rows++;
    sum += Number(r.amount);
    text += r.name.length;
  }
  return `${rows} rows, ${sum}, ${text}`;
}

// What an application does that fetches and counts in a Map.
async function group(db) {
  const counts = new Map();
  for (const r of await db.query('SELECT n FROM bench')) counts.set(r.n % 10, (counts.get(r.n % 10) || 0) + 1);
  return `${counts.size} rows, ${[...counts.values()].reduce((a, b) => a + b)}`;
}

async function main() {
  const [what, ...rest] = process.argv.slice(2);
  const servers = new Map();
  for (const name of rest.slice(0, what === 'join' ? 2 : 1)) {
    if (!servers.has(name)) servers.set(name, await connect(name));
  }
  const start = process.hrtime.bigint(), before = process.cpuUsage();
  let answer;
  if (what === 'scan') answer = await scan(servers.get(rest[0]));
  else if (what === 'group') answer = await group(servers.get(rest[0]));
  else answer = await join(servers.get(rest[0]), servers.get(rest[1]), rest[2]);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9, cpu = process.cpuUsage(before);
  console.log(`${seconds.toFixed(6)} ${((cpu.user + cpu.system) / 1e6).toFixed(6)} ${process.resourceUsage().maxRSS}`);
  console.log(answer);
  for (const db of servers.values()) await db.close();
}

main().catch(error => { console.error(error.message); process.exit(1); });
