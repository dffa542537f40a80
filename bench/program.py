"""program.py - a database shell that is fed statement by statement, and timed.

    shell = Program(["sqlite3", "-bail"], "SELECT {};")
    seconds, lines = shell.run("SELECT 1;")

A statement's time is that from sending it to the arrival of a mark that a second statement
prints: the stock sqlite3 and psql have no finer clock that could be read.  The shells write line
by line (stdbuf), so the mark is seen when it is written.
"""
import os
import re
import subprocess
import time


class Failed(Exception):
    pass


class Program:
    def __init__(self, command, mark_statement, environment=None):
        self.mark_statement = mark_statement
        self.marks = 0
        self.process = subprocess.Popen(["stdbuf", "-oL", *command], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env={**os.environ, **(environment or {})})

    def run(self, sql):
        """(seconds, lines printed)"""
        self.marks += 1
        mark = f"--mark-{self.marks}--"
        start = time.perf_counter()
        self.process.stdin.write(f"{sql}\n{self.mark_statement.format(quoted(mark))}\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line == mark:
                break
            lines.append(line)
        else:
            raise Failed("\n".join(lines[-5:]))
        seconds = time.perf_counter() - start
        errors = [line for line in lines if re.match(r"(Runtime error|Parse error|Error|ERROR|psql:.*ERROR)", line)]
        if errors:
            raise Failed(errors[0])
        return seconds, lines

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_kib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def sqlite(path=":memory:"):
    return Program(["sqlite3", "-bail", path], "SELECT {};")


def psql(url, database):
    environment = {"PGPASSWORD": url.password, "PGHOST": url.host, "PGPORT": str(url.port), "PGUSER": url.user,
                   "PGDATABASE": database, "PGDATESTYLE": "ISO", "PGOPTIONS": "-c client_min_messages=warning"}
    return Program(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1"], "SELECT {};", environment)
