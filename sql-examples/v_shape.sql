-- A price that falls and rises again: the classic V. STRT and FIN have no condition; DOWN and UP compare with the row before.
SET 'pipeline.name' = 'v-shape';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE ticks (
  symbol STRING,
  ts     TIMESTAMP(3),
  price  DOUBLE,
  volume BIGINT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/ticks.csv', 'format' = 'csv');

SELECT symbol, start_ts, start_price, bottom_ts, bottom_price, end_ts, end_price, falls, rises
FROM ticks MATCH_RECOGNIZE (
  PARTITION BY symbol
  ORDER BY ts
  MEASURES
    STRT.ts          AS start_ts,
    STRT.price       AS start_price,
    LAST(DOWN.ts)    AS bottom_ts,
    LAST(DOWN.price) AS bottom_price,
    LAST(UP.ts)      AS end_ts,
    LAST(UP.price)   AS end_price,
    COUNT(DOWN.*)    AS falls,
    COUNT(UP.*)      AS rises
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (STRT DOWN+ UP+ FIN)
  DEFINE
    DOWN AS DOWN.price < PREV(DOWN.price),
    UP   AS UP.price > PREV(UP.price)
);
