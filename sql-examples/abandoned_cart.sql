-- Abandoned cart: something was put into the cart and nothing was bought within 30 minutes.
--
-- What is looked for is the *absence* of an event. The pattern describes the good end (cart … buy); WITHIN bounds it;
-- ONLY TIMEOUT MATCHES puts out exactly the runs that did not get there in time.
SET 'pipeline.name' = 'abandoned-cart';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE shop_events (
  user_id STRING,
  ts      TIMESTAMP(3),
  event   STRING,            -- view | add | remove | buy
  item    STRING,
  amount  DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/cart.csv', 'format' = 'csv');

SELECT user_id, first_added, items_added, value_in_cart, given_up_at
FROM shop_events MATCH_RECOGNIZE (
  PARTITION BY user_id
  ORDER BY ts
  MEASURES
    FIRST(cart.ts)    AS first_added,
    COUNT(cart.item) + COUNT(more.item) AS items_added,
    COALESCE(SUM(cart.amount), 0) + COALESCE(SUM(more.amount), 0) AS value_in_cart,
    MATCH_ROWTIME()   AS given_up_at
  ONE ROW PER MATCH ONLY TIMEOUT MATCHES
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (cart (more | other)* buy) WITHIN INTERVAL '30' MINUTE
  DEFINE
    cart  AS cart.event = 'add',
    more  AS more.event = 'add',
    other AS other.event NOT IN ('add', 'buy'),
    buy   AS buy.event = 'buy'
);
