-- Card testing: a tiny transfer directly followed by a large one within ten minutes.
SET 'pipeline.name' = 'small-then-large';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE transactions (
  account  STRING,
  ts       TIMESTAMP(3),
  amount   DOUBLE,
  merchant STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/transactions.csv', 'format' = 'csv');

SELECT account, probe_at, probe_amount, hit_at, hit_amount, hit_amount / probe_amount AS factor
FROM transactions MATCH_RECOGNIZE (
  PARTITION BY account
  ORDER BY ts
  MEASURES
    probe.ts     AS probe_at,
    probe.amount AS probe_amount,
    hit.ts       AS hit_at,
    hit.amount   AS hit_amount
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (probe hit) WITHIN INTERVAL '10' MINUTE
  DEFINE
    probe AS amount < 2,
    hit   AS hit.amount > 500 AND hit.merchant <> PREV(merchant)
);
