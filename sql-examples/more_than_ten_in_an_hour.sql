-- More than ten transactions of one account within an hour. A variable without a condition matches every row, so the
-- pattern only counts; the greedy quantifier takes as many as the hour holds.
SET 'pipeline.name' = 'more-than-ten-in-an-hour';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE transactions (
  account  STRING,
  ts       TIMESTAMP(3),
  amount   DOUBLE,
  merchant STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/transactions.csv', 'format' = 'csv');

SELECT account, how_many, started_at, ended_at
FROM transactions MATCH_RECOGNIZE (
  PARTITION BY account
  ORDER BY ts
  MEASURES
    COUNT(*)    AS how_many,
    FIRST(t.ts) AS started_at,
    LAST(t.ts)  AS ended_at
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (t{11,}) WITHIN INTERVAL '1' HOUR
);
