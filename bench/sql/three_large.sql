-- Three large transactions of one account within an hour, over a million transactions, to nowhere.
SET 'pipeline.name' = 'three-large';

CREATE TABLE transactions (
  account STRING, ts TIMESTAMP(3), amount DOUBLE, merchant STRING,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/transactions.csv', 'format' = 'csv');

CREATE TABLE nowhere (account STRING, started_at TIMESTAMP(3), ended_at TIMESTAMP(3), total DOUBLE)
  WITH ('connector' = 'blackhole');

INSERT INTO nowhere
SELECT * FROM transactions MATCH_RECOGNIZE (
  PARTITION BY account
  ORDER BY ts
  MEASURES FIRST(large.ts) AS started_at, LAST(large.ts) AS ended_at, SUM(large.amount) AS total
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN ((large small*){2} large) WITHIN INTERVAL '1' HOUR
  DEFINE
    large AS amount >= 1000,
    small AS amount < 1000
);
