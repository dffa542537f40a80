#!/usr/bin/python3
"""report.py - one table of what `make bench` measured: ratios beside their targets.

    bench/report.py BUILD [--json FILE]

Reads the JSON of the parts in the folder BUILD; a part that is missing is said to be.  A row without
target is a figure.  A ratio below 1 means that tskdb is faster.
"""
import argparse
import json
import os

PARTS = ("scans", "joins", "javascript", "tpch", "mixed")
# Ratios of scans.json by peer and words of the row; joins and JavaScript name their own.
SCAN, LOOK_UP = 1.2, 1.3
AVERAGE_MS, PEAK_MIB = 50, 200


def row(part, what, peer, ratio, target, note="", at_most=False):
    return {"part": part, "what": what, "peer": peer, "ratio": ratio, "target": target, "note": note,
            "at_most": at_most, "met": None if target is None or ratio is None else ratio <= target}


def compared(part, data):
    """Rows of a comparison.py."""
    for r in data["results"]:
        if "failed" in r:
            yield row(part, r["what"], r["peer"], None, r.get("target"), "FAILED: " + r["failed"])
        elif "peer" not in r:
            yield row(part, r["what"], "", None, None, f"{r['tskdb_wall']:.3f} s")
        else:
            target = r.get("target")
            if part == "scans" and r["peer"] != "VirtualPG":
                target = LOOK_UP if "look-up" in r["what"] else SCAN
            trips = f", round trips {r['trips']} and {r['peer_trips']}" if "trips" in r else ""
            yield row(part, r["what"], r["peer"], r["ratio_wall"], target,
                      f"{r['tskdb_wall']:.4f} s and {r['peer_wall']:.4f} s{trips}")


def tpch(data):
    for s in data["summaries"]:
        delay = f"{s['delay_ms']:g} ms a round trip" if s["delay_ms"] else "no delay"
        seconds = s["seconds"]
        at_most = bool(s["cut_off"]["hub"])
        note = f"{seconds['tskdb']:.3f} s and {'at least ' if at_most else ''}{seconds['hub']:.3f} s"
        for system, names in s["cut_off"].items():
            note += f"; {system} was cut off at {data['limit']:g} s: {', '.join(names)}" if names else ""
        for kind in ("failed", "wrong"):
            note += f"; {kind.upper()}: {', '.join(s[kind])}" if s[kind] else ""
        if s["queries"] < s["asked"]:
            note += f"; {s['queries']} of {s['asked']} queries"
        yield row("tpch", f"geometric mean, {delay}", "PostgreSQL hub", s["ratio"], s["target"], note, at_most)
        yield row("tpch", f"geometric mean, {delay}", "native SQLite", seconds["tskdb"] / seconds["native"], None,
                  f"{seconds['tskdb']:.3f} s and {seconds['native']:.3f} s")
        slow = ", ".join(f"{q} {x:.2f}" for q, x in s["too_slow"].items())
        slowest = row("tpch", f"slowest query, {delay}", "PostgreSQL hub", s["slowest"][1], 1.5,
                      f"{s['slowest'][0]}; over 1.5, aggregations of one table 2.5: {slow or 'none'}")
        slowest["met"] = not slow
        yield slowest


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--json")
    options = parser.parse_args()
    parts = {part: read(options.build, part) for part in PARTS}
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
    print(f"\n{'part':10} {'what':46} {'peer':24} {'ratio':>8} {'target':>7}    notes")
    for r in rows:
        ratio = "-" if r["ratio"] is None else ("<=" if r["at_most"] else "") + f"{r['ratio']:.2f}"
        target = "-" if r["target"] is None else f"{r['target']:.2f}"
        mark = {True: "ok", False: "NO", None: ""}[r["met"]]
        print(f"{r['part']:10} {r['what']:46} {r['peer']:24} {ratio:>8} {target:>7} {mark:2} {r['note']}")
    if options.json:
        with open(options.json, "w") as out:
            json.dump({"table": rows, "parts": parts}, out, indent=1)


if __name__ == "__main__":
    main()
