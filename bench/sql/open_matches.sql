-- A million users with an open match each, of which half a million a second change: what checkpoints cost (bench/README.md).
SET 'pipeline.name' = 'open';
SET 'execution.runtime-mode' = 'streaming';
CREATE TABLE events (k BIGINT, ts TIMESTAMP(3), e INT, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'datagen', 'number-of-rows' = '10000000', 'rows-per-second' = '0',
 'fields.k.min' = '1', 'fields.k.max' = '1000000', 'fields.e.min' = '0', 'fields.e.max' = '99',
 'fields.ts.start' = '2024-01-01 00:00:00', 'fields.ts.step' = '1 ms');
CREATE TABLE carts (k BIGINT, added TIMESTAMP(3), events BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO carts SELECT * FROM events MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts
 MEASURES FIRST(cart.ts) AS added, COUNT(*) AS events
 ONE ROW PER MATCH ONLY TIMEOUT MATCHES
 PATTERN (cart other* buy) WITHIN INTERVAL '12' HOUR
 DEFINE cart AS cart.e < 50, other AS other.e BETWEEN 50 AND 98, buy AS buy.e = 99);
