// node.js - the cases of node.test: better-sqlite3 as the host. Run with the module's folder first.
'use strict';
const fs = require('fs');
const path = require('path');
const { Worker, isMainThread, workerData } = require('worker_threads');

const Database = require(path.join(process.env.TSKDB_HOSTS, 'better-sqlite3/node_modules/better-sqlite3'));
const SERVERS = { postgres: process.env.TSKDB_TEST_POSTGRES, mysql: process.env.TSKDB_TEST_MYSQL };
const ROWS = 60000;

function equal(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a}, expected ${b}`);
}

function errorOf(action) {
  try { action(); } catch (e) { return e.message; }
  throw new Error('no error');
}

// A connection with both servers' table attached.
function both() {
  const db = new Database(':memory:');
  db.loadExtension(process.env.TSKDB_MODULE);
  const attach = db.prepare('SELECT tskdb_attach(?, ?, ?) AS s');
  for (const [name, url] of Object.entries(SERVERS)) attach.get(name, url, '{"tables": ["guest_node"]}');
  return db;
}

function makeTables() {
  const filled = {
    postgres: `INSERT INTO guest_node SELECT i, repeat('x', 80) || i FROM generate_series(1, ${ROWS}) i`,
    mysql: `INSERT INTO guest_node SELECT seq, concat(repeat('x', 80), seq) FROM seq_1_to_${ROWS}`,
  };
  const db = both();
  for (const name of Object.keys(SERVERS)) {
    for (const statement of ['DROP TABLE IF EXISTS guest_node',
      'CREATE TABLE guest_node (id int PRIMARY KEY, t varchar(100) NOT NULL)', filled[name]]) {
      db.prepare('SELECT tskdb_exec(?, ?)').get(name, statement);
    }
  }
  db.close();
}

// Bits of the signals 1 to 31 that are blocked, ignored, caught.
function signals() {
  return fs.readFileSync('/proc/self/status', 'utf8').split('\n').filter((l) => /^Sig(Blk|Ign|Cgt)/.test(l))
    .map((l) => (BigInt('0x' + l.split(/\s+/)[1]) & 0x7fffffffn).toString(16));
}

const cases = {
  both_servers_are_queried_in_one_statement() {
    const db = both();
    equal(db.prepare('SELECT p.id, length(m.t) AS n FROM postgres.guest_node p JOIN mysql.guest_node m ON m.id = p.id'
      + ' WHERE p.id IN (7, 10) ORDER BY 1').all(), [{ id: 7, n: 81 }, { id: 10, n: 82 }], 'join');
    db.close();
  },
  signal_dispositions_are_left_as_they_were() {
    const before = signals();
    const db = both();
    for (const name of Object.keys(SERVERS)) {
      equal(db.prepare(`SELECT count(*) AS n, count(t) AS t FROM ${name}.guest_node`).get(), { n: ROWS, t: ROWS }, name);
    }
    db.close();
    equal(signals(), before, 'signals');
  },
  a_statement_is_left_in_mid_scan_and_used_again() {
    const db = both();
    for (const name of Object.keys(SERVERS)) {
      const scan = db.prepare(`SELECT id FROM ${name}.guest_node`);
      for (let round = 0; round < 3; round++) {
        let seen = 0;
        for (const row of scan.iterate()) {
          if (++seen === 20000) break;
        }
        equal(seen, 20000, 'left');
      }
      equal(scan.all().length, ROWS, 'whole');
    }
    db.close();
  },
  a_connection_is_forgotten_with_open_statements() {
    for (let i = 0; i < 8; i++) {
      const db = both();
      const scan = db.prepare(`SELECT id FROM ${i % 2 ? 'mysql' : 'postgres'}.guest_node`).iterate();
      for (let k = 0; k < 10000; k++) scan.next();
      if (i < 4) scan.return();
    }
    if (global.gc) global.gc();
  },
  an_error_of_the_server_is_an_exception_and_the_next_statement_works() {
    const db = both();
    for (const name of Object.keys(SERVERS)) {
      const message = errorOf(() => db.prepare('SELECT tskdb_exec(?, ?)').get(name, 'SELEC 1'));
      if (!message.startsWith(name)) throw new Error(message);
      equal(db.prepare(`SELECT id FROM ${name}.guest_node WHERE id = ?`).all(9), [{ id: 9 }], name);
    }
    db.close();
  },
  async worker_threads_have_connections_of_their_own() {
    const workers = [1, 2, 3, 4].map((n) => new Promise((resolve, reject) => {
      const worker = new Worker(__filename, { workerData: n });
      worker.on('error', reject);
      worker.on('exit', resolve);
    }));
    equal(await Promise.all(workers), [0, 0, 0, 0], 'exits');
    both().close();
  },
};

function inWorker(n) {
  const db = both();
  for (const name of Object.keys(SERVERS)) {
    const byId = db.prepare(`SELECT id FROM ${name}.guest_node WHERE id = ?`);
    for (let i = 1; i < 40; i++) equal(byId.all(i * n), [{ id: i * n }], name);
    equal(db.prepare(`SELECT count(t) AS n FROM ${name}.guest_node`).get(), { n: ROWS }, name);
  }
  if (n % 2) db.close();     // the others are left to the thread's end
}

async function run() {
  let failed = 0;
  makeTables();
  for (const [name, body] of Object.entries(cases)) {
    try {
      await body();
      console.log(`ok - ${name}`);
    } catch (e) {
      failed++;
      console.log(`not ok - ${name}\n# ${e.stack.replace(/\n/g, '\n# ')}`);
    }
  }
  process.exitCode = failed ? 1 : 0;
}

if (isMainThread) run(); else inWorker(workerData);
