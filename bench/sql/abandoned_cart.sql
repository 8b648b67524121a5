-- Put into the cart and not bought within 30 minutes, over a million events, to nowhere.
SET 'pipeline.name' = 'abandoned-cart';

CREATE TABLE shop_events (
  user_id STRING, ts TIMESTAMP(3), event STRING, item STRING, amount DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'data/cart.csv', 'format' = 'csv');

CREATE TABLE nowhere (user_id STRING, first_added TIMESTAMP(3), amount DOUBLE, given_up_at TIMESTAMP(3))
  WITH ('connector' = 'blackhole');

INSERT INTO nowhere
SELECT * FROM shop_events MATCH_RECOGNIZE (
  PARTITION BY user_id
  ORDER BY ts
  MEASURES FIRST(cart.ts) AS first_added, SUM(cart.amount) AS amount, MATCH_ROWTIME() AS given_up_at
  ONE ROW PER MATCH ONLY TIMEOUT MATCHES
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (cart (more | other)* buy) WITHIN INTERVAL '30' MINUTE
  DEFINE
    cart  AS cart.event = 'add',
    more  AS more.event = 'add',
    other AS other.event NOT IN ('add', 'buy'),
    buy   AS buy.event = 'buy'
);
