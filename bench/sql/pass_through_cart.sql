-- What reading costs: the same file and columns as abandoned_cart.sql, filtered, to nowhere.
SET 'pipeline.name' = 'pass-through';

CREATE TABLE shop_events (
  user_id STRING, ts TIMESTAMP(3), event STRING, item STRING, amount DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/cart.csv', 'format' = 'csv');

CREATE TABLE nowhere (user_id STRING, ts TIMESTAMP(3), event STRING, amount DOUBLE) WITH ('connector' = 'blackhole');

INSERT INTO nowhere SELECT user_id, ts, event, amount FROM shop_events WHERE amount > 0;
