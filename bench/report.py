#!/usr/bin/python3
"""report.py - one table of what `make bench` measured: ratios beside their targets.

    bench/report.py BUILD [--json FILE] [--load N]

Reads the JSON of the parts in the folder BUILD.  What is missing, was cut off, left out or failed
has a row that says so.  A row without target is a figure.  A ratio below 1 means that tskdb is
faster.  N is the machine's load before: a figure of a busy machine is none.  figures.py makes the
tables of docs/performance.md out of FILE.
"""
import argparse
import datetime
import json
import os

PARTS = ("scans", "tpch", "joins", "javascript", "mixed")
# Ratios of scans.json by peer and words of the row; joins and JavaScript name their own.
SCAN, LOOK_UP = 1.2, 1.3
# A query of TPC-H against the hub's, and the ones that aggregate one table.
QUERY, AGGREGATION, AGGREGATIONS = 1.5, 2.5, ("q1", "q6")
AVERAGE_MS, PEAK_MIB = 50, 200


def row(part, what, peer, ratio, target, note="", at_most=False, cpu=None):
    return {"part": part, "what": what, "peer": peer, "ratio": ratio, "cpu": cpu, "target": target, "note": note,
            "at_most": at_most, "met": None if target is None or ratio is None else ratio <= target}


def scan_target(r):
    if r["peer"] == "VirtualPG":
        return None
    return LOOK_UP if "look-up" in r["what"] else SCAN


def compared(part, data):
    """Rows of a comparison.py."""
    for r in data["results"]:
        target = scan_target(r) if part == "scans" and r.get("peer") else r.get("target")
        if "failed" in r:
            yield row(part, r["what"], r["peer"], None, target, "FAILED: " + r["failed"])
        elif "left_out" in r:
            yield row(part, r["what"], "", None, None, "left out: " + r["left_out"])
        elif "peer" not in r:
            yield row(part, r["what"], "", None, None, f"{r['tskdb_wall']:.3f} s")
        else:
            trips = f", round trips {r['trips']} and {r['peer_trips']}" if "trips" in r else ""
            yield row(part, r["what"], r["peer"], r["ratio_wall"], target,
                      f"{r['tskdb_wall']:.4f} s and {r['peer_wall']:.4f} s{trips}", cpu=r["ratio_cpu"])
    if not data["complete"]:
        yield row(part, "what follows", "", None, None, "CUT OFF: the time of this part was over")


def tpch_note(s, limit):
    seconds = s["seconds"]
    note = f"{seconds['tskdb']:.3f} s and {'at least ' if s['cut_off']['hub'] else ''}{seconds['hub']:.3f} s"
    if s["delay_ms"]:
        note += f", round trips {s['tskdb_round_trips']} and {s['hub_round_trips']}"
    note += f"; slowest {s['slowest'][0]} {s['slowest'][1]:.2f}"
    for system, names in s["cut_off"].items():
        note += f"; {system} was cut off at {limit:g} s: {', '.join(names)}" if names else ""
    for kind in ("failed", "wrong"):
        note += f"; {kind.upper()}: {', '.join(s[kind])}" if s[kind] else ""
    if s["queries"] < s["asked"]:
        note += f"; {s['queries']} of {s['asked']} queries"
    return note


def tpch_queries(data):
    """Each query without a delay."""
    for r in data["results"]:
        if r["delay_ms"] is not None or not r["tskdb"] or not r["hub"]:
            continue
        cut = "hub" in r["cut_off"]
        yield row("tpch", r["query"], "PostgreSQL hub", r["tskdb"] / r["hub"],
                  AGGREGATION if r["query"] in AGGREGATIONS else QUERY,
                  f"{r['tskdb']:.3f} s and {'more than ' if cut else ''}{r['hub']:.3f} s"
                  f"{'' if r['same'].get('tskdb', True) else '; WRONG'}", cut)


def tpch(data):
    for s in data["summaries"]:
        delay = f"{s['delay_ms']:g} ms a round trip" if s["delay_ms"] else "no delay"
        seconds = s["seconds"]
        yield row("tpch", f"geometric mean, {delay}", "PostgreSQL hub", s["ratio"], s["target"],
                  tpch_note(s, data["limit"]), bool(s["cut_off"]["hub"]))
        yield row("tpch", f"geometric mean, {delay}", "native SQLite", seconds["tskdb"] / seconds["native"], None,
                  f"{seconds['tskdb']:.3f} s and {seconds['native']:.3f} s")
    yield from tpch_queries(data)
    asked = {s["delay_ms"] for s in data["summaries"]}
    missing = [f"{d or 0:g} ms" for d in data["delays_ms"] if d not in asked]
    if missing or not data["complete"]:
        yield row("tpch", "what follows", "", None, None, "CUT OFF: the time of this part was over"
                  + (f"; nothing of {', '.join(missing)}" if missing else ""))


def mixed(data):
    yield row("mixed", f"{data['queries']} queries: average in ms", "", data["average_ms"], AVERAGE_MS,
              f"median {data['median_ms']:.2f}, 99 % {data['p99_ms']:.1f}, most {data['most_ms']:.1f}")


def peak_mib(parts):
    """The most memory that a program with tskdb in it took."""
    kib = [r.get("tskdb_peak_kib", 0) for p in ("scans", "joins", "javascript") for r in parts[p].get("results", ())]
    kib += [s["tskdb_peak_kib"] for s in parts["tpch"].get("summaries", ())]
    return max([k / 1024 for k in kib] + [parts["mixed"].get("peak_mib", 0)])


def read(folder, part):
    try:
        with open(os.path.join(folder, part + ".json")) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def table(parts):
    rows = []
    for part, data in parts.items():
        if not data:
            rows.append(row(part, "not measured", "", None, None, "the part did not run or failed"))
        elif part == "tpch":
            rows += tpch(data)
        elif part == "mixed":
            rows += mixed(data)
        else:
            rows += compared(part, data)
    rows.append(row("all", "peak memory in MiB", "", peak_mib(parts), PEAK_MIB))
    return rows


def show(rows):
    def number(x, prefix=""):
        return "-" if x is None else f"{prefix}{x:.2f}"
    print(f"\n{'part':10} {'what':46} {'peer':24} {'ratio':>8} {'CPU':>6} {'target':>7}    notes")
    for r in rows:
        mark = {True: "ok", False: "NO", None: ""}[r["met"]]
        print(f"{r['part']:10} {r['what']:46} {r['peer']:24} {number(r['ratio'], '<=' if r['at_most'] else ''):>8}"
              f" {number(r['cpu']):>6} {number(r['target']):>7} {mark:2} {r['note']}")
    judged = [r["met"] for r in rows if r["met"] is not None]
    print(f"{judged.count(True)} of {len(judged)} targets are met")


def machine(load):
    with open("/proc/cpuinfo") as info:
        names = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return {"date": datetime.date.today().isoformat(), "processors": os.cpu_count(),
            "processor": names[0] if names else "", "load_before": load}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--json")
    parser.add_argument("--load", type=float)
    options = parser.parse_args()
    parts = {part: read(options.build, part) for part in PARTS}
    rows = table(parts)
    show(rows)
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"machine": machine(options.load), "table": rows, "parts": parts}, out, indent=1)


if __name__ == "__main__":
    main()
