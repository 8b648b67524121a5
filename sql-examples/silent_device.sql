-- A device that fell silent: a heartbeat, and no other one within five minutes of it.
-- At the end of a bounded input every device falls silent, so the last heartbeat of each is reported too.
SET 'pipeline.name' = 'silent-device';
SET 'execution.runtime-mode' = 'streaming';

CREATE TABLE heartbeats (
  device      STRING,
  ts          TIMESTAMP(3),
  temperature DOUBLE,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'sql-examples/data/heartbeats.csv', 'format' = 'csv');

SELECT device, last_seen, last_temperature, noticed_at
FROM heartbeats MATCH_RECOGNIZE (
  PARTITION BY device
  ORDER BY ts
  MEASURES
    beat.ts          AS last_seen,
    beat.temperature AS last_temperature,
    MATCH_ROWTIME()  AS noticed_at
  ONE ROW PER MATCH ONLY TIMEOUT MATCHES
  AFTER MATCH SKIP TO NEXT ROW
  PATTERN (beat next_beat) WITHIN INTERVAL '5' MINUTE
);
