SELECT (SELECT c.relname FROM pg_class c WHERE c.oid = a.attrelid) FROM pg_attribute a LIMIT 3
;
SELECT a.attname, (SELECT x.relname || a.attname FROM pg_class x WHERE x.oid = a.attrelid) AS v FROM pg_attribute a WHERE a.attrelid = 'orders'::regclass
;
SELECT c.relname, CASE WHEN c.relkind IN (SELECT relkind FROM pg_class d WHERE d.oid > c.oid) THEN 1 ELSE 2 END AS k FROM pg_class c WHERE relnamespace = 2200 ORDER BY 1
;
SELECT c.relname, (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND EXISTS (SELECT 1 FROM pg_type t WHERE t.oid = a.atttypid AND c.relkind = 'r')) AS n FROM pg_class c WHERE relnamespace = 2200 ORDER BY 1
;
SELECT c.relname, (SELECT max(a.attnum) FROM pg_attribute a WHERE a.attrelid <= c.oid AND a.attrelid >= c.oid) AS n FROM pg_class c WHERE relnamespace = 2200 ORDER BY 1
;
SELECT array_agg(x) FROM (SELECT unnest(current_schemas(true)) AS x) t
;
SELECT n.nspname FROM pg_namespace n WHERE (n.nspname, n.oid) IN (('public', 2200), ('x', 1))
;
SELECT DISTINCT ON (relkind) relkind, relname FROM pg_class ORDER BY relkind, relname
;
SELECT relname FROM pg_class WHERE relname LIKE ANY (ARRAY['ord%', 'cl%']) AND relnamespace = 'public'::regnamespace ORDER BY relname LIMIT ALL
;
SELECT row_number() OVER (ORDER BY relname) AS n, relname FROM pg_class WHERE relnamespace = 2200
;
SELECT 'a'::text, 'b'::varchar(10), '{1,2}'::int[], '{a}'::text[], 1::int2, true::text, now() IS NOT NULL, pg_backend_pid()
;
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT r.n, current_user FROM r
;
SELECT relname FROM pg_class WHERE oid IN (SELECT indrelid FROM pg_index) ORDER BY 1
;
SELECT relname FROM pg_class WHERE relnamespace = 2200 AND oid NOT IN (SELECT indrelid FROM pg_index) ORDER BY 1
;
SELECT t.typname, e.typname AS elem FROM pg_type t LEFT JOIN pg_type e ON t.typelem = e.oid WHERE t.typname = '_int4'
;
SELECT coalesce(relacl, '{}') FROM pg_class LIMIT 1
;
SELECT relname FROM pg_class c WHERE EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid) OR relname = 'orders'
;
SELECT count(*), count(*) FILTER (WHERE relkind = 'r') FROM pg_class
;
SELECT current_timestamp IS NULL, pg_is_in_recovery()
;
SELECT c.relname, x.attname FROM pg_class c LEFT JOIN LATERAL (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1) x ON true WHERE c.relnamespace = 2200 ORDER BY 1
;
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '"Sales Lines"'::regclass AND attnum > 0
;
SELECT relname, age(relfrozenxid), relacl::text FROM pg_class WHERE relname = 'orders'
;
SELECT attname FROM pg_attribute WHERE attrelid = 'public.orders'::regclass::oid AND attnum = ANY('{1,2}'::int2[]) ORDER BY 1
;
SELECT u.usename, u.usesuper FROM pg_user u
;
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT SIMILAR TO '(x|y)%' ORDER BY nspname COLLATE "C"
;
SELECT a.attname, a.attnum FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indrelid = 'orders'::regclass AND i.indisprimary
;
SELECT array_position(i.indkey, a.attnum) AS pos, a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indrelid = '"Sales Lines"'::regclass ORDER BY array_position(i.indkey, a.attnum)
;
SELECT datname FROM pg_database UNION SELECT nspname FROM pg_namespace ORDER BY datname
;
SELECT c.oid::regclass::text AS t, c.oid::int8 AS o FROM pg_class c WHERE c.oid::regclass::text = 'orders'
;
