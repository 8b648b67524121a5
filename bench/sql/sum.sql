-- As many ticks as stay below a total volume, over a million ticks, to nowhere.
SET 'pipeline.name' = 'sum';

CREATE TABLE ticks (
  symbol STRING, ts TIMESTAMP(3), price DOUBLE, volume BIGINT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ticks.csv', 'format' = 'csv');

CREATE TABLE nowhere (symbol STRING, started_at TIMESTAMP(3), total BIGINT, ended_at TIMESTAMP(3))
  WITH ('connector' = 'blackhole');

INSERT INTO nowhere
SELECT * FROM ticks MATCH_RECOGNIZE (
  PARTITION BY symbol
  ORDER BY ts
  MEASURES FIRST(A.ts) AS started_at, SUM(A.volume) AS total, B.ts AS ended_at
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (A+ B)
  DEFINE A AS SUM(A.volume) <= 2000
);
