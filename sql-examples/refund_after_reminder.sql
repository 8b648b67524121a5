-- A refund that follows a delivery reminder: the order was placed, the customer had to ask for it, and the money went back.
-- ALL ROWS PER MATCH shows each event of such an order under the name that the pattern gives it.
SET 'pipeline.name' = 'refund-after-reminder';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE orders (
  order_id STRING,
  ts       TIMESTAMP(3),
  event    STRING,           -- placed | reminder | delivered | refund
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/orders.csv', 'format' = 'csv');

SELECT order_id, ts, role, event, reminders_so_far
FROM orders MATCH_RECOGNIZE (
  PARTITION BY order_id
  ORDER BY ts
  MEASURES
    CLASSIFIER()         AS role,
    COUNT(reminder.ts)   AS reminders_so_far
  ALL ROWS PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (placed waiting* (reminder waiting*)+ refund)
  DEFINE
    placed   AS event = 'placed',
    reminder AS event = 'reminder',
    waiting  AS event NOT IN ('placed', 'reminder', 'refund'),
    refund   AS event = 'refund'
);
