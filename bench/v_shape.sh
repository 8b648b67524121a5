#!/usr/bin/env bash
# A million ticks from CSV: pass-through against the V-shape query, five runs of each in turn, and the matches against an
# independent computation at several parallelisms and batch sizes. Needs python3 for the last part.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-1000000}

cargo build --release --locked
cargo build --release --locked -p dipper-datagen
dipper=target/release/dipper
mkdir -p data
target/release/dipper-datagen ticks --rows "$rows" --out data/ticks.csv

echo "== rates at parallelism 1"
for _ in 1 2 3 4 5; do
  "$dipper" run bench/sql/pass_through.sql
  "$dipper" run bench/sql/v_shape.sql
done
echo "== peak memory"
peak=0
"$dipper" run -q bench/sql/v_shape.sql &
while now=$(awk '/VmHWM/ { print $2 }' /proc/$!/status 2>/dev/null) && [ -n "$now" ]; do peak=$now; done
wait $!
echo "$peak kB"

echo "== the same matches"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 tests/v_shape.py data/ticks.csv | LC_ALL=C sort > "$scratch/expected"
sed -e '/^CREATE TABLE nowhere/,/^) WITH/d' -e 's/^INSERT INTO nowhere$/SET '"'execution.runtime-mode' = 'streaming';"'/' bench/sql/v_shape.sql > "$scratch/v_shape.sql"
for parallelism in 1 2 4; do
  for batch in 1 7 32768; do
    "$dipper" run "$scratch/v_shape.sql" -q -o csv --parallelism $parallelism --set execution.batch-size=$batch |
      tail -n +2 | LC_ALL=C sort > "$scratch/actual"
    cmp "$scratch/expected" "$scratch/actual"
    echo "parallelism $parallelism, batches of $batch: $(wc -l < "$scratch/actual") matches, the same"
  done
done
