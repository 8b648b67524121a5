-- Browsed many items and bought none: at least five views, and an hour after the first of them still no purchase.
-- The pattern's good end is the purchase; its time-outs are the visitors to win back.
SET 'pipeline.name' = 'browsed-bought-none';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE browse (
  user_id STRING,
  ts      TIMESTAMP(3),
  event   STRING,            -- view | cart | buy
  item    STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/browse.csv', 'format' = 'csv');

SELECT user_id, first_view, items_viewed, last_item
FROM browse MATCH_RECOGNIZE (
  PARTITION BY user_id
  ORDER BY ts
  MEASURES
    FIRST(seen.ts)         AS first_view,
    COUNT(seen.item)       AS items_viewed,
    LAST(seen.item)        AS last_item
  ONE ROW PER MATCH ONLY TIMEOUT MATCHES
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (seen (seen | carted)* bought) WITHIN INTERVAL '1' HOUR
  DEFINE
    seen   AS event = 'view',
    carted AS event = 'cart',
    bought AS event = 'buy'
)
WHERE items_viewed >= 5;
