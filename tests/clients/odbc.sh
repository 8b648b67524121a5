#!/usr/bin/env bash
# isql, unixODBC's own client, reads the tables of tables.sql and lists them.
# odbc.sh PORT
set -uo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ODBCINI=$scratch/odbc.ini LC_ALL=C.UTF-8
passed=0 failed=0
for style in Unicode ANSI; do
  printf '[%s]\nDriver = PostgreSQL %s\nServername = 127.0.0.1\nPort = %s\nDatabase = dipper\nUserName = dipper\n\n' "$style" "$style" "$1"
done >"$ODBCINI"

# has NAME SOURCE STATEMENT PATTERN...: what isql says to the statement has lines that match the extended regular expressions.
has() {
  local name=$1 source=$2 statement=$3 pattern said
  shift 3
  said=$(timeout 60 isql "$source" -b -v -x0x7c <<<"$statement" 2>&1)
  for pattern; do
    if grep -Eq -- "$pattern" <<<"$said"; then passed=$((passed + 1)); else
      failed=$((failed + 1))
      printf "FAILED %s\nno line is like '%s' in:\n%s\n\n" "$name" "$pattern" "$said" >&2
    fi
  done
}

for source in Unicode ANSI; do
  has "rows are read" "$source" 'SELECT id, symbol, price, is_buy, day, ts FROM trades WHERE id = 500' \
    '^500\|ACME\|\.?0?\.0000\|0\|2001-07-04\|2000-02-06 01:24:21\.7285$'
  has "rows are counted" "$source" 'SELECT count(*), sum(n) FROM ticks' '^100000\|5000050000$'
  has "a view is read" "$source" 'SELECT max(id) FROM expensive' '^1000$'
  has "tables are listed" "$source" 'help' '^dipper\|public\|trades\|TABLE\|' '^dipper\|public\|ticks\|TABLE\|' '^dipper\|public\|expensive\|VIEW\|'
  has "columns are listed" "$source" 'help trades' '^dipper\|public\|trades\|id\|-5\|int8\|' '^dipper\|public\|trades\|price\|2\|numeric\|12\|'
  has "an error is shown" "$source" 'SELECT * FROM nowhere' 'nowhere'
done

echo "$0: $passed passed, $failed failed"
[ "$failed" = 0 ]
