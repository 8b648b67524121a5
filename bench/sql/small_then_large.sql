-- A tiny transfer directly followed by a large one, over a million transactions, to nowhere.
SET 'pipeline.name' = 'small-then-large';

CREATE TABLE transactions (
  account STRING, ts TIMESTAMP(3), amount DOUBLE, merchant STRING,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/transactions.csv', 'format' = 'csv');

CREATE TABLE nowhere (account STRING, probe_at TIMESTAMP(3), hit_at TIMESTAMP(3), hit_amount DOUBLE)
  WITH ('connector' = 'blackhole');

INSERT INTO nowhere
SELECT * FROM transactions MATCH_RECOGNIZE (
  PARTITION BY account
  ORDER BY ts
  MEASURES probe.ts AS probe_at, hit.ts AS hit_at, hit.amount AS hit_amount
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (probe hit) WITHIN INTERVAL '10' MINUTE
  DEFINE
    probe AS probe.amount < 2,
    hit   AS hit.amount > 500
);
