-- The V-shape of sql-examples/v_shape.sql over a million ticks, to nowhere.
SET 'pipeline.name' = 'v-shape';

CREATE TABLE ticks (
  symbol STRING, ts TIMESTAMP(3), price DOUBLE, volume BIGINT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ticks.csv', 'format' = 'csv');

CREATE TABLE nowhere (
  symbol STRING, start_ts TIMESTAMP(3), bottom_ts TIMESTAMP(3), end_ts TIMESTAMP(3), falls BIGINT, rises BIGINT
) WITH ('connector' = 'blackhole');

INSERT INTO nowhere
SELECT * FROM ticks MATCH_RECOGNIZE (
  PARTITION BY symbol
  ORDER BY ts
  MEASURES
    STRT.ts AS start_ts, LAST(DOWN.ts) AS bottom_ts, LAST(UP.ts) AS end_ts, COUNT(DOWN.*) AS falls, COUNT(UP.*) AS rises
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (STRT DOWN+ UP+ FIN)
  DEFINE
    DOWN AS DOWN.price < PREV(DOWN.price),
    UP   AS UP.price > PREV(UP.price)
);
