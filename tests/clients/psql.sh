#!/usr/bin/env bash
# psql describes and queries the tables of tables.sql, copies rows into a file, and shows where a query is wrong.
# psql.sh PORT
set -uo pipefail
export PGHOST=127.0.0.1 PGPORT=$1 PGDATABASE=dipper PGUSER=dipper PGCONNECT_TIMEOUT=10 PAGER=cat LC_ALL=C.UTF-8
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

# Runs psql with these arguments, unaligned and without headings; standard error goes into the output too.
ask() { timeout 60 psql -XAtq "$@" 2>&1; }

# check NAME ACTUAL EXPECTED: the two are the same.
check() {
  if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
    failed=$((failed + 1))
    printf 'FAILED %s\n%s\nshould be:\n%s\n\n' "$1" "$2" "$3" >&2
  fi
}

# has NAME TEXT PATTERN...: each extended regular expression matches a line.
has() {
  local name=$1 text=$2 pattern
  shift 2
  for pattern; do
    grep -Eq -- "$pattern" <<<"$text"
    check "$name" "$? for '$pattern' in
$text" "0 for '$pattern' in
$text"
  done
}

text='(text|character varying)'
has "the tables are listed" "$(ask -c '\d')" '^public\|trades\|table\|' '^public\|ticks\|table\|' '^public\|expensive\|view\|'
has "tables are listed with comments" "$(ask -c '\dt+')" '^public\|trades\|table\|.*\|what was bought and sold$' '^public\|ticks\|table\|'
has "a pattern chooses tables" "$(ask -c '\dt tr*')" '^public\|trades\|'
check "a pattern leaves tables out" "$(ask -c '\dt tr*' | grep -c ticks)" 0
has "views are listed" "$(ask -c '\dv')" '^public\|expensive\|view\|'
has "a table is described" "$(ask -P tuples_only=off -c '\d trades')" '^id\|bigint\|\|not null\|$' "^symbol\|$text\|\|\|$" '^price\|numeric\(12,4\)\|\|\|$' \
  '^quantity\|integer\|' '^rate\|double precision\|' '^is_buy\|boolean\|' '^day\|date\|' \
  '^ts\|timestamp(\(6\))? without time zone\|' \
  "^note\|$text\|" '^Indexes:$' '^ +"[a-z_]+" PRIMARY KEY, btree \(id\)$'
has "a table is described at length" "$(ask -c '\d+ public.trades')" '^id\|bigint\|\|not null\|\|plain\|.*\|counts from 1$'
has "a view is described" "$(ask -P tuples_only=off -c '\d+ expensive')" '^price\|numeric' '[Ss][Ee][Ll][Ee][Cc][Tt]'
check "a table that is not there" "$(ask -v QUIET=off -c '\d nowhere')" 'Did not find any relation named "nowhere".'
has "schemas are listed" "$(ask -c '\dn')" '^public\|'
has "databases are listed" "$(ask -c '\l')" '^dipper\|.*\|UTF8\|'
has "roles are listed" "$(ask -c '\du')" '^dipper\|'
has "functions are listed" "$(ask -c '\df' && echo done)" '^done$'
has "indexes are listed" "$(ask -c '\di')" '^public\|[a-z_]+\|index\|.*\|trades$'
has "the connection is described" "$(ask -c '\conninfo')" "^You are connected to database \"dipper\" as user \"dipper\" on host \"127.0.0.1\" at port \"$1\".$"

check "rows are shown" "$(ask -c 'SELECT id, symbol, price, quantity, is_buy, day, ts, note FROM trades WHERE id IN (1, 500, 999) ORDER BY id')" \
"1|BOLT|-616.1153|419|f|2000-02-21|1999-06-01 12:00:10.123457|plain
500|ACME|0.0000|0|f|2001-07-04|2000-02-06 01:24:21.7285|two
lines
999|DART|616.1153|-419|t|2002-11-15|2000-10-12 14:48:33.333543|"
check "numbers are shown in full" "$(ask -c 'SELECT rate, CAST(rate AS REAL) FROM trades WHERE id = 1')" '0.14285714285714285|0.14285715'
check "rows are counted" "$(ask -c 'SELECT count(*), sum(n) FROM ticks')" '100000|5000050000'
check "a view is read" "$(ask -c 'SELECT count(*), min(id) FROM expensive')" '96|905'
check "NULL and the empty text differ" "$(ask -P null=nil -c 'SELECT note FROM trades WHERE id IN (6, 9) ORDER BY id')" "
nil"
check "a table has headings" "$(timeout 60 psql -X -c 'SELECT id, note FROM trades WHERE id < 3 ORDER BY id')" \
" id |       note       
----+------------------
  1 | plain
  2 | größer ✓ 日本 🙂
(2 rows)"
check "commands have tags" "$(timeout 60 psql -X -c 'DROP TABLE IF EXISTS of_psql' -c 'CREATE TABLE of_psql (a INT)' \
  -c 'INSERT INTO of_psql VALUES (1), (2)' -c 'DROP TABLE of_psql' 2>/dev/null)" "DROP TABLE
CREATE TABLE
INSERT 0 2
DROP TABLE"
check "rows come in pieces" "$(ask -v FETCH_COUNT=1000 -c 'SELECT n FROM ticks ORDER BY n' | md5sum)" "$(seq 100000 | md5sum)"
check "results describe themselves" "$(ask <<<'SELECT id, price, day, is_buy FROM trades \gdesc')" "id|bigint
price|numeric(12,4)
day|date
is_buy|boolean"
check "parameters are bound" "$(ask <<<"SELECT symbol FROM trades WHERE id = 3;" && ask -v name=ACME <<<"SELECT count(*) FROM trades WHERE symbol = :'name';")" "DART
250"
check "a script runs" "$(printf 'BEGIN;\nSELECT 1;\nSELECT count(*) FROM trades;\nCOMMIT;\n' | ask -v ON_ERROR_STOP=1 -f -)" "1
1000"

ask -v QUIET=off -c "\\copy (SELECT id, price, note FROM trades ORDER BY id) TO '$scratch/trades.csv' WITH (FORMAT csv, HEADER)" >"$scratch/said"
check "rows are copied into a file" "$(cat "$scratch/said"; head -n 8 "$scratch/trades.csv")" 'COPY 1000
id,price,note
1,-616.1153,plain
2,-614.8806,größer ✓ 日本 🙂
3,-613.6459,"it'"'"'s ""quoted"", {braced}"
4,-612.4112,a	tab
5,-611.1765,"two
lines"
6,-609.9418,""'
check "all rows are copied" "$(grep -cE '^[0-9]+,-?[0-9.]+,' "$scratch/trades.csv")" 1000

has "a wrong query is pointed at" "$(ask -c "SELECT id,
  nothing FROM trades"; echo "exit $?")" '^ERROR:  .*nothing' '^LINE 2:   nothing FROM trades$' '^ {10}\^$' '^exit 1$'
has "a wrong word is pointed at" "$(ask -c 'SELECT id FROM trades WHERE )')" '^ERROR:  ' '^LINE 1: SELECT id FROM trades WHERE \)$' '^ {36}\^$'
has "a missing table has its code" "$(ask -v VERBOSITY=verbose -c 'SELECT * FROM nowhere')" '^ERROR:  42P01: .*nowhere'
check "a script stops at an error" "$(printf 'SELECT 1;\nSELECT * FROM nowhere;\nSELECT 2;\n' | ask -v ON_ERROR_STOP=1 -f - 2>/dev/null | grep -v ERROR | grep -c 2)" 0
printf 'SELECT * FROM nowhere;\n' | ask -v ON_ERROR_STOP=1 -f - >/dev/null
check "an error in a script is an exit code" $? 3
ask -d nowhere -c 'SELECT 1' >"$scratch/said"
check "another database is refused" "$? $(grep -c nowhere "$scratch/said")" "2 1"

echo "$0: $passed passed, $failed failed"
[ "$failed" = 0 ]
