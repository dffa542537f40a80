"""library.py - the SQLite libraries that Python can be the host of: that of its own sqlite3 module,
and the newest one, which apsw brings.

There is one of them in a process, so each case runs in a child of its own, given the library.
"""
import os
import signal
import sqlite3
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import host

CASE_SECONDS = 60


class Library:
    """Connections of one SQLite library with the extension loaded. They share what both modules
    call alike: execute(), interrupt(), close(), set_authorizer(), set_progress_handler()."""

    def __init__(self, name):
        self.name = name
        if name == "sqlite3":
            self.Error, self.version = sqlite3.Error, sqlite3.sqlite_version
        else:
            sys.path.insert(0, os.path.join(os.environ["TSKDB_HOSTS"], "apsw"))
            try:
                import apsw
            except ImportError as e:
                raise host.Skip(f"apsw is not installed ({e})") from None
            self._apsw = apsw
            self.Error, self.version = apsw.Error, apsw.sqlite_lib_version()

    def open_bare(self, path=":memory:", read_only=False):
        """Without the extension."""
        if self.name == "sqlite3":
            uri = f"file:{path}?mode=ro" if read_only else path
            return sqlite3.connect(uri, uri=read_only, isolation_level=None, check_same_thread=False)
        flags = self._apsw.SQLITE_OPEN_READONLY if read_only else (
            self._apsw.SQLITE_OPEN_READWRITE | self._apsw.SQLITE_OPEN_CREATE)
        return self._apsw.Connection(path, flags=flags)

    def open(self, path=":memory:", read_only=False):
        return self.load(self.open_bare(path, read_only))

    def load(self, db):
        db.enable_load_extension(True)
        db.load_extension(os.environ.get("TSKDB_MODULE", "./tskdb"))
        db.enable_load_extension(False)
        return db

    def attached(self, server, *statements, name="s", path=":memory:", read_only=False, **options):
        """A connection with a server attached after these native statements have run on it."""
        db = self.open(path, read_only)
        if statements:
            host.attach(db, "setup", server, tables=[])
            host.native(db, "setup", *statements)
            host.rows(db, "SELECT tskdb_detach('setup')")
        host.attach(db, name, server, **options)
        return db

    def error_of(self, action):
        try:
            action()
        except self.Error as e:
            return str(e)
        raise AssertionError("no error")


def _child(function, arguments):
    try:
        function(*arguments)
        sys.stdout.flush()
        status = 0
    except host.Skip as e:
        print(e, file=sys.stderr)
        status = 77
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    os._exit(status)


def in_child(function, *arguments, seconds=CASE_SECONDS):
    """Runs the function in a forked child: what it did wrong, or "" if nothing."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        os.dup2(writer, 2)
        os.close(writer)
        _child(function, arguments)
    os.close(writer)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
    signal.alarm(seconds)
    with os.fdopen(reader, errors="replace") as words:
        said = words.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.alarm(0)
    if status == 77:
        raise host.Skip(said.strip())
    return "" if status == 0 else f"exit status {status}\n{said}"


def case_in(*libraries):
    """Marks a test that runs in a child process for each of these libraries, which it is given."""
    def mark(function):
        def run(name):
            wrong = in_child(lambda: function(Library(name)))
            assert not wrong, wrong

        run.__name__ = function.__name__
        host.case_for(*libraries)(run)
        return function
    return mark


EACH = ("sqlite3", "apsw")


def run_ended(db, server, text, seconds=3):
    """Whether the server stops running what contains TEXT in time; DB has it attached as k."""
    sql = {"postgres": "SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = ''active'' AND query"
                       f" LIKE ''%{text}%'' AND pid <> pg_backend_pid()",
           "mysql": "SELECT count(*) AS n FROM information_schema.processlist WHERE id <> connection_id()"
                    f" AND info LIKE ''%{text}%''"}[server]
    host.rows(db, "DROP TABLE IF EXISTS temp.running")
    host.rows(db, f"CREATE VIRTUAL TABLE temp.running USING tskdb_query(k, '{sql}')")
    end = time.monotonic() + seconds
    while host.rows(db, "SELECT n FROM temp.running") != [(0,)]:
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
