-- What reading costs: the same file and columns as v_shape.sql, filtered, to nowhere.
SET 'pipeline.name' = 'pass-through';

CREATE TABLE ticks (
  symbol STRING, ts TIMESTAMP(3), price DOUBLE, volume BIGINT,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/ticks.csv', 'format' = 'csv');

CREATE TABLE nowhere (symbol STRING, ts TIMESTAMP(3), price DOUBLE) WITH ('connector' = 'blackhole');

INSERT INTO nowhere SELECT symbol, ts, price FROM ticks WHERE price > 0;
