-- The tables that every script in this directory reads. expected.py computes the same rows.

CREATE TABLE trades (
  id       BIGINT NOT NULL COMMENT 'counts from 1',
  symbol   VARCHAR,
  price    DECIMAL(12, 4),
  quantity INT,
  rate     DOUBLE,
  is_buy   BOOLEAN,
  day      DATE,
  ts       TIMESTAMP(6),
  note     VARCHAR,
  PRIMARY KEY (id) NOT ENFORCED
) COMMENT 'what was bought and sold';

CREATE TABLE ticks (n BIGINT, ts TIMESTAMP(3), symbol VARCHAR);

CREATE VIEW expensive AS SELECT id, symbol, price FROM trades WHERE price > 500;

CREATE TEMPORARY TABLE ids (id BIGINT)
WITH ('connector' = 'datagen', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '1000');

CREATE TEMPORARY TABLE numbers (n BIGINT, ts TIMESTAMP(3)) WITH (
  'connector' = 'datagen', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '100000',
  'fields.ts.start' = '2026-01-01 00:00:00.010', 'fields.ts.step' = '10 ms'
);

-- Prices of both signs and zero; times before and after 2000, where Postgres counts from, and a 29 February.
INSERT INTO trades
SELECT
  id,
  CASE id % 4 WHEN 0 THEN 'ACME' WHEN 1 THEN 'BOLT' WHEN 2 THEN 'CORE' ELSE 'DART' END,
  CAST(CAST((id - 500) * 12347 AS DECIMAL(20, 0)) * CAST('0.0001' AS DECIMAL(5, 4)) AS DECIMAL(12, 4)),
  CAST(id * 7919 % 1000 - 500 AS INT),
  CAST(id AS DOUBLE) / CAST(7 AS DOUBLE),
  id % 3 = 0,
  CAST(TO_TIMESTAMP_MICROS(951004800000000 + id * 86400000000) AS DATE),
  TO_TIMESTAMP_MICROS(928195200000000 + id * 43210123457),
  CASE id % 9
    WHEN 1 THEN 'plain'
    WHEN 2 THEN 'größer ✓ 日本 🙂'
    WHEN 3 THEN 'it''s "quoted", {braced}'
    WHEN 4 THEN CONCAT('a', CHR(9), 'tab')
    WHEN 5 THEN CONCAT('two', CHR(10), 'lines')
    WHEN 6 THEN ''
    WHEN 7 THEN 'back\slash 100%'
    WHEN 8 THEN '\N'
  END
FROM ids;

INSERT INTO ticks SELECT n, ts, CONCAT('S', CAST(n % 100 AS VARCHAR)) FROM numbers;
