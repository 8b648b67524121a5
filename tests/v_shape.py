"""The V-shape query of sql-examples/v_shape.sql, computed independently: CSV of ticks in, one match a line out (CSV, sorted)."""
import collections, csv, sys

rows = collections.defaultdict(list)
for r in csv.DictReader(open(sys.argv[1], newline="")):
    rows[r["symbol"]].append((r["ts"], float(r["price"])))
matches = []
for symbol, ticks in rows.items():
    ticks.sort(key=lambda t: t[0])  # stable: ties keep arrival order
    price, n, i = [p for _, p in ticks], len(ticks), 0
    while i < n:
        j = i + 1
        while j < n and price[j] < price[j - 1]: j += 1  # DOWN+
        k = j
        while k < n and price[k] > price[k - 1]: k += 1  # UP+
        fin = k if k < n else k - 1  # at the end UP+ gives its last row back to FIN
        if j == i + 1 or fin <= j or k == j:
            i += 1
            continue
        matches.append((symbol, ticks[i][0], ticks[j - 1][0], ticks[fin - 1][0], str(j - i - 1), str(fin - j)))
        i = fin + 1
print("\n".join(",".join(m) for m in sorted(matches)))
