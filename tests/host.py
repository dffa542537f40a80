"""host.py - a stock SQLite host for test scripts: Debian's python3 and its own sqlite3 module.

A script is a list of functions marked with @case, whose names say the behaviour, and ends with
`main()`.  It prints one line a case, "ok - name" or "not ok - name", and exits with 1 if one
failed, with 77 if the server that it needs is not there.  A case that raises Skip is skipped.

The environment (tests/environment) says where the module and the servers are.
"""
import json
import os
import sqlite3
import sys
import time
import traceback

SERVERS = {"postgres": "TSKDB_TEST_POSTGRES", "mysql": "TSKDB_TEST_MYSQL",
           "mongo": "TSKDB_TEST_MONGO", "redis": "TSKDB_TEST_REDIS"}

_cases = []


class Skip(Exception):
    """What a case needs is not there; the text says what."""


def case(function):
    """Marks a test. Its name is the promise."""
    _cases.append((function, function.__name__, ()))
    return function


def case_for(*servers):
    """Marks a test that is run once for each of these servers, which it is given."""
    def mark(function):
        for server in servers:
            _cases.append((function, f"{function.__name__}[{server}]", (server,)))
        return function
    return mark


def url(server):
    """The server's URL; the script is skipped if it is not there."""
    found = os.environ.get(SERVERS[server], "")
    if not found:
        print(f"{SERVERS[server]} is not set")
        sys.exit(77)
    return found


def require(*servers):
    for server in servers:
        url(server)


def load(db):
    db.enable_load_extension(True)
    db.load_extension(os.environ.get("TSKDB_MODULE", "./tskdb"))
    db.enable_load_extension(False)
    return db


def connect(path=":memory:", **options):
    """A connection with the extension."""
    return load(sqlite3.connect(path, isolation_level=None, **options))


def attach(db, name, server, **options):
    """Attaches a test server and returns the summary."""
    return db.execute("SELECT tskdb_attach(?, ?, ?)", (name, url(server), json.dumps(options))).fetchone()[0]


def native(db, name, *statements):
    """Runs native statements on an attached server; one with arguments is a tuple."""
    for statement in statements:
        words = (statement,) if isinstance(statement, str) else statement
        db.execute(f"SELECT tskdb_exec(?{', ?' * len(words)})", (name, *words)).fetchone()


def attached(server, *statements, name="s", **options):
    """A connection with one server attached after these native statements have run on it."""
    db = connect()
    attach(db, "setup", server, tables=[])
    native(db, "setup", *statements)
    db.execute("SELECT tskdb_detach('setup')").fetchone()
    attach(db, name, server, **options)
    return db


def rows(db, sql, parameters=()):
    return db.execute(sql, parameters).fetchall()


def requests(db, server=None):
    """The remote statements so far, oldest first."""
    found = rows(db, "SELECT server, statement FROM tskdb_requests ORDER BY id")
    return [text for name, text in found if server is None or name == server]


def error_of(action):
    """The message of the error that ACTION must raise."""
    try:
        action()
    except sqlite3.Error as e:
        return str(e)
    raise AssertionError("no error")


def resident_kib(field="VmHWM"):
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise AssertionError(f"no {field}")


def eventually(condition, seconds=5):
    """Whether CONDITION comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def main():
    wanted = sys.argv[1:]
    failed = 0
    for function, name, arguments in _cases:
        if wanted and not any(w in name for w in wanted):
            continue
        start = time.monotonic()
        try:
            function(*arguments)
            took = time.monotonic() - start
            print(f"ok - {name}" + (f" # {took:.1f} s" if took >= 1 else ""), flush=True)
        except Skip as e:
            print(f"ok - {name} # skip {e}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok - {name}", flush=True)
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
    sys.exit(1 if failed else 0)
