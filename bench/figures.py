#!/usr/bin/python3
"""figures.py - the tables of docs/performance.md, made of a bench.json.

    bench/figures.py BENCH.JSON [DOCUMENT]

Prints the tables as Markdown; with DOCUMENT it puts each between the two lines

    <!-- figures: NAME -->
    <!-- end of figures -->

there, in place of what stands between them.  A figure of the document is so never typed.
"""
import argparse
import json
import re

SERVER = {"postgres": "PostgreSQL", "mysql": "MariaDB", "mongo": "MongoDB", "redis": "Redis"}


def markdown(heading, rows):
    """Lines of a table: the first column is text, the others are figures."""
    return [f"| {' | '.join(heading)} |", "|---|" + "---:|" * (len(heading) - 1),
            *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)]


def ratio(x, at_most=False):
    return "" if x is None else f"{'≤ ' if at_most else ''}{x:.2f}"


def seconds(x):
    return f"{x:.4f}" if x < 0.1 else f"{x:.3f}" if x < 10 else f"{x:.1f}"


def spelled(title):
    """A row's title with the servers' own names."""
    return re.sub(r"\b(" + "|".join(SERVER) + r")\b", lambda m: SERVER[m.group()], title)


def good(part):
    return [r for r in part["results"] if "failed" not in r and "left_out" not in r]


def machine(bench):
    m = bench["machine"]
    load = "" if m["load_before"] is None else f", load before {m['load_before']:.2f}"
    return [f"{m['date']}, {m['processors']} processors ({m['processor']}){load}."]


def peers(rows):
    return markdown(["", "peer", "tskdb, s", "peer, s", "ratio", "CPU ratio", "MiB"], (
        [spelled(r["what"]), r.get("peer", ""), seconds(r["tskdb_wall"]),
         seconds(r["peer_wall"]) if "peer_wall" in r else "", ratio(r.get("ratio_wall")), ratio(r.get("ratio_cpu")),
         f"{r['tskdb_peak_kib'] / 1024:.0f}"] for r in rows))


def scans(bench):
    return peers(good(bench["parts"]["scans"]))


def counts(bench):
    return peers(r for r in good(bench["parts"]["joins"]) if "keys" not in r)


# --- TPC-H -----------------------------------------------------------------------------------------

def delay_name(ms):
    return f"{ms:g} ms" if ms else "none"


def tpch_means(bench):
    rows = []
    for s in bench["parts"]["tpch"]["summaries"]:
        cut = s["cut_off"]["hub"]
        trips = [s["tskdb_round_trips"], s["hub_round_trips"]] if s["delay_ms"] else ["", ""]
        rows.append([delay_name(s["delay_ms"]), seconds(s["seconds"]["tskdb"]),
                     ("≥ " if cut else "") + seconds(s["seconds"]["hub"]), seconds(s["seconds"]["native"]),
                     ratio(s["ratio"], bool(cut)), *trips])
    return markdown(["delay", "tskdb, s", "hub, s", "native, s", "tskdb / hub", "round trips", "of the hub"], rows)


def tpch_cells(r, with_native):
    if not r or not r["tskdb"] or not r["hub"]:
        return [""] * (4 if with_native else 5)
    cut = "hub" in r["cut_off"]
    cells = [seconds(r["tskdb"]), ("> " if cut else "") + seconds(r["hub"])]
    if with_native:
        return [*cells, seconds(r["native"]), ratio(r["tskdb"] / r["hub"], cut)]
    return [*cells, ratio(r["tskdb"] / r["hub"], cut), r.get("tskdb_round_trips", ""), r.get("hub_round_trips", "")]


def tpch_queries(bench):
    part = bench["parts"]["tpch"]
    found = {(r["query"], r["delay_ms"]): r for r in part["results"]}
    delayed = [d for d in part["delays_ms"] if d]
    heading = ["", "tskdb, s", "hub, s", "native, s", "ratio"]
    for d in delayed:
        heading += [f"{d:g} ms: tskdb", "hub", "ratio", "round trips", "of the hub"]
    rows = []
    for query in dict.fromkeys(r["query"] for r in part["results"]):
        row = [query, *tpch_cells(found.get((query, None)), True)]
        for d in delayed:
            row += tpch_cells(found.get((query, d)), False)
        rows.append(row)
    return markdown(heading, rows)


# --- joins by key ----------------------------------------------------------------------------------

def by_pair(results, cells):
    """A row for each pair of servers, with CELLS of the rows of each number of keys; and those numbers."""
    sizes = sorted({r["keys"] for r in results})
    pairs = dict.fromkeys((r["source"], r["into"]) for r in results)
    found = {(r["source"], r["into"], r["keys"]): r for r in results}
    rows = []
    for source, into in pairs:
        row = [f"{SERVER[source]} → {SERVER[into]}"]
        for n in sizes:
            row += cells(found.get((source, into, n)))
        rows.append(row)
    return rows, sizes


def joins(bench):
    def cells(r):
        if not r:
            return [""] * 5
        return [seconds(r["tskdb_wall"]), seconds(r["peer_wall"]), ratio(r["ratio_wall"]), r["trips"], r["peer_trips"]]
    rows, sizes = by_pair([r for r in good(bench["parts"]["joins"]) if "keys" in r], cells)
    heading = ["keys from → into"]
    for n in sizes:
        heading += [f"{n:,}: tskdb, s", "C, s", "ratio", "round trips", "of C"]
    return markdown(heading, rows)


def javascript_joins(bench):
    results = [r for r in good(bench["parts"]["javascript"]) if "keys" in r]
    groups = {(r["source"], r["into"], r["keys"]): r for r in results if r.get("group")}

    def cells(r):
        group = r and groups.get((r["source"], r["into"], r["keys"]))
        return [seconds(r["tskdb_wall"]), seconds(r["peer_wall"]), ratio(r["ratio_wall"]),
                ratio(group["ratio_wall"]) if group else ""] if r else [""] * 4
    rows, sizes = by_pair([r for r in results if not r.get("group")], cells)
    heading = ["keys from → into"]
    for n in sizes:
        heading += [f"{n:,}: tskdb, s", "JavaScript, s", "ratio", "with GROUP BY"]
    return markdown(heading, rows)


def javascript(bench):
    return peers(r for r in good(bench["parts"]["javascript"]) if "keys" not in r)


# --- the rest --------------------------------------------------------------------------------------

def mixed(bench):
    part = bench["parts"]["mixed"]
    kinds = sorted(part["kinds_ms"].items(), key=lambda item: -sum(item[1]) / max(len(item[1]), 1))
    rows = [[name, len(times), f"{sum(times) / len(times):.2f}"] for name, times in kinds if times]
    rows.append(["**all**", part["queries"], f"**{part['average_ms']:.2f}**"])
    return markdown(["", "times", "average, ms"], rows)


def missed(bench):
    rows = [r for r in bench["table"] if r["met"] is False]
    judged = sum(r["met"] is not None for r in bench["table"])
    lines = [f"{judged - len(rows)} of {judged} targets are met.", ""]
    lines += markdown(["missed", "peer", "ratio", "target"], (
        [f"{r['part']}: {spelled(r['what'])}", r["peer"], ratio(r["ratio"]), ratio(r["target"])] for r in rows))
    unmeasured = [r for r in bench["table"] if re.match("FAILED|CUT OFF|left out|the part did not", r["note"])]
    lines += [f"\nNot measured: {r['part']}, {spelled(r['what'])}: {r['note']}" for r in unmeasured]
    peak = next(r for r in bench["table"] if r["part"] == "all")
    return [*lines, "", f"Peak memory of any program with tskdb in it: {peak['ratio']:.0f} MiB."]


TABLES = {"machine": machine, "missed": missed, "scans": scans, "tpch": tpch_means, "tpch queries": tpch_queries,
          "joins": joins, "counts": counts, "javascript": javascript, "javascript joins": javascript_joins,
          "mixed": mixed}
PARTS = {"tpch queries": "tpch", "counts": "joins", "javascript joins": "javascript"}


def made(bench, name):
    part = PARTS.get(name, name)
    if part in bench["parts"] and not bench["parts"][part]:
        return ["Not measured."]
    return TABLES[name](bench)


def replace(text, bench):
    def put(match):
        return "\n".join([match.group(1), "", *made(bench, match.group(2)), "", match.group(3)])
    return re.sub(r"^(<!-- figures: ([\w ]+) -->)$.*?^(<!-- end of figures -->)$", put, text, flags=re.M | re.S)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bench")
    parser.add_argument("document", nargs="?")
    options = parser.parse_args()
    with open(options.bench) as file:
        bench = json.load(file)
    if not options.document:
        for name in TABLES:
            print(f"\n### {name}\n\n" + "\n".join(made(bench, name)))
        return
    with open(options.document) as file:
        text = replace(file.read(), bench)
    with open(options.document, "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()
