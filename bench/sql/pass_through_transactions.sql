-- What reading costs: the same file and columns as three_large.sql and small_then_large.sql, filtered, to nowhere.
SET 'pipeline.name' = 'pass-through';

CREATE TABLE transactions (
  account STRING, ts TIMESTAMP(3), amount DOUBLE, merchant STRING,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/transactions.csv', 'format' = 'csv');

CREATE TABLE nowhere (account STRING, ts TIMESTAMP(3), amount DOUBLE) WITH ('connector' = 'blackhole');

INSERT INTO nowhere SELECT account, ts, amount FROM transactions WHERE amount > 0;
