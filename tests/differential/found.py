"""found.py - statements that once differed, and why. Each run begins with them.

{bag} and the like are the relations of dataset.LAYOUT; a server that lacks a column leaves the
statement out.
"""

FOUND = [
    # A RIGHT or FULL JOIN remembers the rows of its right table by rowid or key, over two scans:
    # an ordinal is another row's in the second, and colUsed does not show the key.
    "SELECT a.b_decimal, b.v_date FROM {bag} AS a RIGHT JOIN {shown} AS b ON a.b_decimal ="
    " b.v_int",
    "SELECT a.b_int, b.b_bytes FROM {shown} AS s CROSS JOIN {bag} AS a FULL JOIN {bag} AS b"
    " ON a.b_bool = b.b_int",
    "SELECT a.t_date, b.t_bytes FROM {times} AS a FULL JOIN {times} AS b ON a.t_timestamp ="
    " b.t_timestamp",
    "SELECT a.id, b.w_uuid FROM {numbers} AS a RIGHT JOIN {words} AS b ON a.n_int = b.w_int",
    "SELECT b.w_text, count(*) FROM {numbers} AS a FULL JOIN {words} AS b ON a.n_wide ="
    " b.w_int GROUP BY b.w_text",
    # The newest SQLite remembers the rows without a partner too: the same row twice.
    "SELECT b.b_varchar FROM {times} AS a RIGHT JOIN {bag} AS b ON a.t_smallint = b.b_decimal"
    " AND a.t_smallint = 7",
    # Text with a NUL is a number to the newest SQLite, and none to older ones.
    "SELECT id FROM {numbers} WHERE n_decimal > '5' || char(0)",
    "SELECT id FROM {numbers} WHERE n_int = '5' || char(0)",
    # LIKE comes with ranges over its prefix, and infinity is the text 'Inf'.
    "SELECT id FROM {numbers} WHERE n_double LIKE 'i%'",
    "SELECT id FROM {numbers} WHERE n_real GLOB 'I*'",
    "SELECT id FROM {numbers} WHERE n_unbounded LIKE '-in%'",
    # SQLite before 3.51 offers these ON terms to the table on the left.
    "SELECT a.id, b.b_int FROM {numbers} AS a LEFT JOIN {bag} AS b ON a.n_int IS NOT NULL",
    "SELECT a.id, b.b_int FROM {numbers} AS a LEFT JOIN {bag} AS b ON a.n_int <> 5 AND"
    " b.b_int = a.n_int",
    "SELECT a.k, b.b_int FROM {words} AS a LEFT JOIN {bag} AS b ON a.w_text LIKE 'a%'",
    "SELECT a.k, b.b_int FROM {words} AS a LEFT JOIN {bag} AS b ON a.w_text IS NOT 'a' AND"
    " b.b_int = 1",
    "SELECT * FROM (SELECT a.k, b.b_int FROM {words} AS a LEFT JOIN {bag} AS b ON a.w_text"
    " GLOB 'a*')",
    # LIMIT is offered above a term that is not, and a compound's OFFSET to each of its arms.
    "SELECT count(*) FROM (SELECT id FROM {numbers} WHERE n_int > n_bigint LIMIT 3)",
    "SELECT count(*) FROM (SELECT id FROM {numbers} WHERE n_int > 0 AND abs(n_int) >"
    " n_bigint LIMIT 3 OFFSET 1)",
    "SELECT count(*) FROM (SELECT id FROM {numbers} UNION ALL SELECT w_int FROM {words}"
    " LIMIT 75 OFFSET 5)",
]
