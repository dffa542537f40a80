"""comparison.py - product and peer side by side: runs both in turn, prints medians and ratios.

A runner is a function that runs once and returns {"wall", "cpu", "peak_kib", "answer"}.  Programs
time themselves after connecting and print "seconds wall, seconds CPU of the process, peak KiB" on
their first line, what they read on the second.
"""
import json
import os
import statistics
import subprocess

import address

RUN_SECONDS = 120       # that one run may take
PRINTED = ("target", "trips", "peer_trips", "how")      # facts of a row that stand behind its figures


class Failed(Exception):
    pass


class Comparison:
    def __init__(self, build, runs, json_file=None):
        self.build, self.runs, self.json_file = os.path.abspath(build), runs, json_file
        self.results, self.complete = [], False
        self.servers = {name: address.server(name) for name in ("postgres", "mysql", "mongo", "redis")}
        self.outer_sizes = []   # of the tables with the keys of joins (joins.py)

    # --- runners --------------------------------------------------------------------------------

    def program(self, name):
        return os.path.join(self.build, "bench", name)

    def run(self, *command, **environment):
        try:
            out = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment},
                                 timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"{command[0]} {command[-1]}: more than {RUN_SECONDS} s") from None
        lines = out.stdout.splitlines()
        if out.returncode or len(lines) < 2:
            raise Failed(f"{command[0]} {command[-1]}: {out.stderr.strip()}")
        wall, cpu, peak = lines[0].split()
        return {"wall": float(wall), "cpu": float(cpu), "peak_kib": int(peak), "answer": lines[1]}

    def host(self, setup, *what):
        """tskdb in a SQLite program (sqlite_host.c)."""
        return lambda: self.run(self.program("sqlite_host"), os.path.join(self.build, "tskdb"), setup, *what)

    def attached(self, **names):
        """SQL that attaches servers by these names."""
        return self.attached_at({name: self.servers[server] for name, server in names.items()})

    def attached_at(self, addresses, options="{}"):
        """The same of addresses by name."""
        return ";".join(f"SELECT tskdb_attach({quoted(name)}, {quoted(str(address))}, {quoted(options)})"
                        for name, address in addresses.items())

    def bare(self, server, *what):
        """The client library alone (bare_postgres.c, bare_mysql.c)."""
        u = self.servers[server]
        if server == "postgres":
            return lambda: self.run(self.program("bare_postgres"), str(u), *what)
        target = [u.host, str(u.port), u.user, u.database]
        return lambda: self.run(self.program("bare_mysql"), *target, *what, BENCH_PASSWORD=u.password)

    def native(self, server, *statements):
        """Runs statements of the server's own."""
        self.native_at(self.servers[server], *statements)

    def native_at(self, address, *statements):
        script = [f"SELECT tskdb_attach('s', {quoted(str(address))}, '{{\"tables\":[],\"timeout\":600000}}')"]
        script += [f"SELECT tskdb_exec('s', {quoted(s)})" for s in statements]
        sql = "".join(s + ";\n" for s in script)
        subprocess.run(["sqlite3", "-bail"], input=f".load {self.build}/tskdb\n.output /dev/null\n{sql}", text=True,
                       check=True)

    # --- comparing ------------------------------------------------------------------------------

    def heading(self):
        print(f"{'what':42} {'peer':24} {'tskdb s':>9} {'peer s':>9} {'ratio':>6} {'CPU s':>8} {'peer':>8} {'ratio':>6}"
              f" {'MiB':>7} {'peer':>7}", flush=True)

    def pair(self, title, product, peer, peer_name, same=lambda a, b: a == b, **facts):
        """PRODUCT beside PEER; SAME compares their answers; facts go into the row (target: the ratio at most)."""
        row = {"what": title, "peer": peer_name, **facts}
        self.results.append(row)
        try:
            pairs = self.run_pairs(product, peer, same)
        except Failed as failed:
            row["failed"] = str(failed)
            print(f"{title:42} {peer_name:24} FAILED: {failed}", flush=True)
            self.save()
            return row
        for key in ("wall", "cpu", "peak_kib"):
            row["tskdb_" + key] = statistics.median(a[key] for a, _ in pairs)
            row["peer_" + key] = statistics.median(b[key] for _, b in pairs)
        for key in ("wall", "cpu"):
            row["ratio_" + key] = statistics.median(a[key] / max(b[key], 1e-9) for a, b in pairs)
        print(f"{title:42} {peer_name:24} {row['tskdb_wall']:9.4f} {row['peer_wall']:9.4f} {row['ratio_wall']:6.2f}"
              f" {row['tskdb_cpu']:8.3f} {row['peer_cpu']:8.3f} {row['ratio_cpu']:6.2f}"
              f" {row['tskdb_peak_kib'] / 1024:7.0f} {row['peer_peak_kib'] / 1024:7.0f}"
              + "".join(f"  {k} {facts[k]}" for k in PRINTED if k in facts), flush=True)
        self.save()
        return row

    def run_pairs(self, product, peer, same):
        pairs = []
        product(), peer()      # warm both
        for _ in range(self.runs):
            a, b = product(), peer()
            if not same(a["answer"], b["answer"]):
                raise Failed(f"{a['answer']} against {b['answer']}")
            pairs.append((a, b))
        return pairs

    def alone(self, title, product):
        """A figure without a peer."""
        try:
            row = product()
        except Failed as failed:
            self.results.append({"what": title, "peer": "", "failed": str(failed)})
            print(f"{title:42} FAILED: {failed}", flush=True)
            return
        self.results.append({"what": title, **{"tskdb_" + k: row[k] for k in ("wall", "cpu", "peak_kib")}})
        print(f"{title:42} {'':24} {row['wall']:9.4f} {'':9} {'':6} {row['cpu']:8.3f} {'':8} {'':6}"
              f" {row['peak_kib'] / 1024:7.0f}", flush=True)
        self.save()

    def left_out(self, title, why):
        self.results.append({"what": title, "peer": "", "left_out": why})
        print(f"{title:42} left out: {why}", flush=True)

    def fastest(self, *candidates):
        """The peer's fastest way on this machine: (name, runner)."""
        return min(candidates, key=lambda c: min(c[1]()["wall"] for _ in range(2)))

    def save(self):
        if self.json_file:
            with open(self.json_file, "w") as out:
                json.dump({"runs": self.runs, "complete": self.complete, "results": self.results}, out, indent=1)

    def finish(self):
        """Nothing is missing: a part that is cut off does not come here."""
        self.complete = True
        self.save()


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def same_rows(a, b):
    """Whether two sums were made of as many rows."""
    return a.split(",")[0] == b.split(",")[0]
