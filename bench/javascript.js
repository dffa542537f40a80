// javascript.js - the peer of the benchmark in JavaScript: npm's pg, mysql2, mongodb and ioredis, as
// their users write it, joins in a Map.
//
//   node javascript.js scan SERVER                   every row of bench
//   node javascript.js lookup SERVER COUNT           rows 1 to COUNT by key, one after the other
//   node javascript.js join SOURCE TARGET TABLE      TABLE's column k at SOURCE, their rows of bench
//   node javascript.js joingroup SOURCE TARGET TABLE the same, counted by n % 10
//   node javascript.js group SERVER                  bench counted by n % 10 in a Map
//   node javascript.js groupasked SERVER             the same by the server
//
// A server is postgres, mysql, mongo or redis, its URL in $TSKDB_TEST_..., that of a join's SOURCE in
// $BENCH_OUTER.  Prints "seconds wall, seconds CPU, peak KiB" of all but connecting,
// then the number of rows and sums.  Each value is turned into a number or a string, as an
// application would use it (pg and mysql2 give decimals as text, ioredis everything).
'use strict';

const BATCH = 5000;             // keys of one request
const PAGE = 1000;              // Redis' keys of a page

// Each server: scan(table, fields) → rows; list(fields, keys) → rows of bench; one(fields, key) → row.

async function connectPostgres(url) {
  const { Client } = require('pg');
  const client = new Client({ connectionString: url });
  await client.connect();
  const query = async (text, values, name) => (await client.query({ name, text, values })).rows;
  return {
    key: 'id',
    scan: (table, fields) => query(`SELECT ${fields} FROM ${table}`),
    list: (fields, keys) => query(`SELECT ${fields} FROM bench WHERE id = ANY($1)`, [keys], 'list'),
    one: async (fields, key) => (await query(`SELECT ${fields} FROM bench WHERE id = $1`, [key], 'one'))[0],
    group: () => query('SELECT n % 10, count(*) AS c FROM bench GROUP BY 1'),
    close: () => client.end(),
  };
}

async function connectMysql(url) {
  const client = await require('mysql2/promise').createConnection({ uri: url, dateStrings: true });
  const query = async (text, values) => (await client.query(text, values))[0];
  return {
    key: 'id',
    scan: (table, fields) => query(`SELECT ${fields} FROM ${table}`),
    list: (fields, keys) => query(`SELECT ${fields} FROM bench WHERE id IN (?)`, [keys]),
    one: async (fields, key) => (await client.execute(`SELECT ${fields} FROM bench WHERE id = ?`, [key]))[0][0],
    group: () => query('SELECT n % 10, count(*) AS c FROM bench GROUP BY 1'),
    close: () => client.end(),
  };
}

async function connectMongo(url) {
  const { MongoClient } = require('mongodb');
  const client = new MongoClient(url);
  await client.connect();
  const db = client.db();
  const projection = fields => ({ _id: 0, ...Object.fromEntries(fields.split(', ').map(f => [f, 1])) });
  return {
    key: '_id',
    scan: (table, fields) => db.collection(table).find({}, { projection: projection(fields) }).toArray(),
    list: (fields, keys) =>
      db.collection('bench').find({ _id: { $in: keys } }, { projection: projection(fields) }).toArray(),
    one: (fields, key) => db.collection('bench').findOne({ _id: key }, { projection: projection(fields) }),
    group: () => db.collection('bench').aggregate([
      { $group: { _id: { $mod: ['$n', 10] }, c: { $sum: 1 } } }]).toArray(),
    close: () => client.close(),
  };
}

async function connectRedis(url) {
  const Redis = require('ioredis');
  const at = new URL(url);
  const client = new Redis({ host: at.hostname, port: Number(at.port), username: decodeURIComponent(at.username),
    password: decodeURIComponent(at.password), db: Number(at.pathname.slice(1) || 0) });
  const row = (names, id, values) => {
    const r = { id };
    names.forEach((name, i) => { if (name !== 'id') r[name] = values[i]; });
    return r;
  };
  const read = async (fields, table, ids) => {
    const names = fields.split(', '), pipeline = client.pipeline();
    for (const id of ids) pipeline.hmget(`${table}:${id}`, ...names);
    return (await pipeline.exec()).map(([, values], i) => row(names, ids[i], values))
      .filter(r => names.some(n => n !== 'id' && r[n] !== null));
  };
  return {
    key: 'id',
    scan: async (table, fields) => {
      const rows = [];
      for await (const keys of client.scanStream({ match: table + ':*', count: PAGE, type: 'hash' })) {
        rows.push(...await read(fields, table, keys.map(k => Number(k.slice(table.length + 1)))));
      }
      return rows;
    },
    list: (fields, keys) => read(fields, 'bench', keys),
    one: async (fields, key) => row(fields.split(', '), key, await client.hmget(`bench:${key}`, ...fields.split(', '))),
    close: () => client.quit(),
  };
}

const connectors = { postgres: connectPostgres, mysql: connectMysql, mongo: connectMongo, redis: connectRedis };

function connect(server, url) {
  return connectors[server](url || process.env['TSKDB_TEST_' + server.toUpperCase()]);
}

function use(total, r, key) {
  total.rows++;
  total.sum += Number(r[key]) + Number(r.n) + Number(r.amount);
  total.text += r.name.length;
}

async function scan(db) {
  const total = { rows: 0, sum: 0, text: 0 };
  for (const r of await db.scan('bench', `${db.key}, n, amount, name`)) use(total, r, db.key);
  return `${total.rows} rows, ${total.sum}, ${total.text}`;
}

async function lookup(db, count) {
  const total = { rows: 0, sum: 0, text: 0 };
  for (let key = 1; key <= count; key++) use(total, await db.one(`${db.key}, n, amount, name`, key), db.key);
  return `${total.rows} rows, ${total.sum}, ${total.text}`;
}

// The outer rows and, of each that has one, the inner row: found in a Map.
async function matched(source, target, table, fields) {
  const outer = await source.scan(table, 'k');
  const wanted = [...new Set(outer.map(r => Number(r.k)))];
  const inner = new Map();
  for (let i = 0; i < wanted.length; i += BATCH) {
    for (const r of await target.list(`${target.key}, ${fields}`, wanted.slice(i, i + BATCH))) {
      inner.set(r[target.key], r);
    }
  }
  return outer.map(o => inner.get(Number(o.k))).filter(r => r);
}

async function join(source, target, table) {
  let rows = 0, text = 0, sum = 0;
  for (const r of await matched(source, target, table, 'amount, name')) {
    rows++;
    sum += Number(r.amount);
    text += r.name.length;
  }
  return `${rows} rows, ${sum}, ${text}`;
}

function countInMap(rows) {
  const counts = new Map();
  for (const r of rows) {
    const group = Number(r.n) % 10;
    counts.set(group, (counts.get(group) || 0) + 1);
  }
  return `${counts.size} rows, ${[...counts.values()].reduce((a, b) => a + b, 0)}`;
}

const work = {
  scan: s => scan(s[0]),
  lookup: (s, count) => lookup(s[0], Number(count)),
  join: (s, table) => join(s[0], s[1], table),
  joingroup: async (s, table) => countInMap(await matched(s[0], s[1], table, 'n')),
  group: async s => countInMap(await s[0].scan('bench', 'n')),
  groupasked: async s => `${(await s[0].group()).length} rows`,
};

async function main() {
  const [what, ...rest] = process.argv.slice(2);
  const joins = what.startsWith('join');
  const servers = [await connect(rest.shift(), process.env.BENCH_OUTER)];
  if (joins) servers.push(await connect(rest.shift()));
  const start = process.hrtime.bigint(), before = process.cpuUsage();
  const answer = await work[what](servers, ...rest);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9, cpu = process.cpuUsage(before);
  console.log(`${seconds.toFixed(6)} ${((cpu.user + cpu.system) / 1e6).toFixed(6)} ${process.resourceUsage().maxRSS}`);
  console.log(answer);
  for (const db of servers) await db.close();
}

main().catch(error => { console.error(error.message); process.exit(1); });
