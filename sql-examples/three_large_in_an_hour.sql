-- Three large transactions of one account within an hour, with any number of small ones between them.
SET 'pipeline.name' = 'three-large-in-an-hour';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE transactions (
  account  STRING,
  ts       TIMESTAMP(3),
  amount   DOUBLE,
  merchant STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/transactions.csv', 'format' = 'csv');

SELECT account, started_at, ended_at, total
FROM transactions MATCH_RECOGNIZE (
  PARTITION BY account
  ORDER BY ts
  MEASURES
    FIRST(large.ts)   AS started_at,
    LAST(large.ts)    AS ended_at,
    SUM(large.amount) AS total
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN ((large small*){2} large) WITHIN INTERVAL '1' HOUR
  DEFINE
    large AS amount >= 1000,
    small AS amount < 1000
);
