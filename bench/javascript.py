#!/usr/bin/python3
"""javascript.py - the same work in JavaScript with its usual packages (javascript.js).

    bench/javascript.py --build DIR [--data DIR] [--runs N] [--json FILE]

Scans, joins by key (in JavaScript: the keys, their rows in batches, a Map) and a GROUP BY.  Needs
node and npm, which installs pg and mysql2 into the data folder.
"""
import argparse
import os
import shutil
import subprocess
import sys

import joins
from comparison import Comparison
from run import SCAN, fill

HERE = os.path.dirname(os.path.abspath(__file__))


def install(folder):
    """npm's packages; False if there is no npm."""
    if not shutil.which("node") or not shutil.which("npm"):
        return False
    os.makedirs(folder, exist_ok=True)
    if not os.path.isdir(os.path.join(folder, "node_modules", "mysql2")):
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "pg", "mysql2"],
                       check=True, stdout=subprocess.DEVNULL)
    return True


def same_count(a, b):
    return a.split()[0] == b.split()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--data", default="build/bench-data")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    c = Comparison(options.build, options.runs, options.json)
    folder = os.path.join(os.path.abspath(options.data), "node")
    if not install(folder):
        sys.exit("bench: no node or npm; JavaScript is left out")
    servers = [s for s in joins.OUTER if c.servers[s]]
    for server in servers:
        fill(c, server, joins.INNER_ROWS)
        c.native(server, *joins.OUTER[server].format(inner=joins.INNER_ROWS, n=100000).split(";"))

    def node(*what):
        environment = {"NODE_PATH": os.path.join(folder, "node_modules")}
        return lambda: c.run("node", os.path.join(HERE, "javascript.js"), *what, **environment)
    c.heading()
    for server in servers:
        c.pair(f"{server}: scan {joins.INNER_ROWS} rows", c.host(c.attached(s=server), "scan", SCAN.format("s.bench")),
               node("scan", server), "JavaScript", same_count)
        c.pair(f"{server}: GROUP BY n % 10", c.host(c.attached(s=server), "scan",
               "SELECT n % 10, count(*) FROM s.bench GROUP BY n % 10"), node("group", server), "JavaScript", same_count)
    for n in (1000, 100000):
        for source in servers:
            for into in servers:
                c.pair(f"{n} keys from {source} into {into}",
                       c.host(c.attached(a=source, b=into), "scan", joins.JOIN.format("a", "b", n)),
                       node("join", source, into, str(n)), "JavaScript", same_count)
    c.save()


if __name__ == "__main__":
    main()
