-- A host whose CPU stays above 90 % for five minutes or more: one row per episode, with its length and average.
-- `long_enough` looks back at the first row of its own match; the tail takes the rest of the episode.
SET 'pipeline.name' = 'cpu-above-90';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE cpu (
  host   STRING,
  ts     TIMESTAMP(3),
  usage  DOUBLE,             -- per cent
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/cpu.csv', 'format' = 'csv');

SELECT host, hot_since, hot_until, samples, ROUND(mean_usage, 2) AS mean_usage
FROM cpu MATCH_RECOGNIZE (
  PARTITION BY host
  ORDER BY ts
  MEASURES
    FIRST(ts)     AS hot_since,
    LAST(ts)      AS hot_until,
    COUNT(*)      AS samples,
    AVG(usage)    AS mean_usage
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (hot+? long_enough hot*)
  DEFINE
    hot         AS usage > 90,
    long_enough AS usage > 90 AND long_enough.ts >= FIRST(hot.ts) + INTERVAL '5' MINUTE
);
