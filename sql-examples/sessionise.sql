-- Sessionisation: clicks of one user belong together while no two neighbours are more than 30 minutes apart.
SET 'pipeline.name' = 'sessionise';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE clicks (
  user_id STRING,
  ts      TIMESTAMP(3),
  page    STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/clicks.csv', 'format' = 'csv');

SELECT user_id, session_no, started_at, ended_at, clicks, entry_page, exit_page
FROM clicks MATCH_RECOGNIZE (
  PARTITION BY user_id
  ORDER BY ts
  MEASURES
    MATCH_NUMBER() AS session_no,
    FIRST(ts)      AS started_at,
    LAST(ts)       AS ended_at,
    COUNT(*)       AS clicks,
    FIRST(page)    AS entry_page,
    LAST(page)     AS exit_page
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (entry same_session*)
  DEFINE same_session AS ts <= PREV(ts) + INTERVAL '30' MINUTE
);
