-- DuckDB's scanner: our own words for what it wants to know
SELECT s.oid, s.nspname FROM pg_namespace s WHERE s.nspname <> 'pg_toast' ORDER BY s.oid
;
SELECT s.oid AS schema_id, r.relname AS relation, r.relpages AS pages, c.attname AS name, y.typname AS type, c.atttypmod, c.attndims, c.attnum AS place,
  c.attnotnull, NULL AS key_id, NULL AS key_kind, NULL AS key_columns
FROM pg_namespace s, pg_class r, pg_attribute c, pg_type y
WHERE r.relnamespace = s.oid AND c.attrelid = r.oid AND c.atttypid = y.oid AND c.attnum > 0 AND r.relkind IN ('r', 'v') AND s.nspname = 'public'
UNION ALL
SELECT s.oid, r.relname, NULL, NULL, NULL, NULL, NULL, NULL, NULL, k.oid, k.contype, k.conkey
FROM pg_namespace s, pg_class r, pg_constraint k
WHERE r.relnamespace = s.oid AND k.conrelid = r.oid AND k.contype IN ('p', 'u') AND s.nspname = 'public'
ORDER BY schema_id, relation, place, key_id
;
SELECT s.oid, l.enumtypid, y.typname, l.enumlabel FROM pg_type y JOIN pg_enum l ON l.enumtypid = y.oid JOIN pg_namespace s ON s.oid = y.typnamespace ORDER BY 1, 2, l.enumsortorder
;
SELECT y.typrelid, y.typname, c.attname, e.typname FROM pg_type y, pg_class r, pg_attribute c, pg_type e
WHERE r.oid = y.typrelid AND c.attrelid = r.oid AND e.oid = c.atttypid AND y.typtype = 'c' AND r.relkind = 'c' ORDER BY y.oid, c.attnum
;
SELECT s.oid, x.tablename, x.indexname FROM pg_indexes x JOIN pg_namespace s ON s.nspname = x.schemaname ORDER BY 1, 2
;
SELECT version(), (SELECT COUNT(*) FROM pg_settings WHERE name LIKE 'rds%')
;
SELECT pg_is_in_recovery(), pg_export_snapshot(), (SELECT COUNT(*) FROM pg_stat_wal_receiver)
;
-- Grafana
SELECT current_setting('search_path') AS path, (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS extension
;
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables
WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog') AND table_type IN ('BASE TABLE', 'VIEW') ORDER BY 1
;
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns
WHERE CASE WHEN array_length(parse_ident('orders'), 1) = 2
  THEN quote_ident(table_schema) = (parse_ident('orders'))[1] AND quote_ident(table_name) = (parse_ident('orders'))[2]
  ELSE quote_ident(table_name) = 'orders' AND quote_ident(table_schema) IN (
    SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
    FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
      array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
      string_to_array(current_setting('search_path'), ',') s)
  END
;
-- Metabase
SELECT c.column_name AS "name", CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN FORMAT('%s', c.udt_name)
    ELSE FORMAT('"%s"."%s"', c.udt_schema, c.udt_name) END AS "database-type",
  c.ordinal_position - 1 AS "database-position", c.table_schema AS "table-schema", c.table_name AS "table-name",
  pk.column_name IS NOT NULL AS "pk?",
  COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST(c.table_schema AS TEXT), CAST(c.table_name AS TEXT)) AS REGCLASS) AS OID), c.ordinal_position)
    AS "field-comment",
  (column_default IS NULL OR LOWER(column_default) = 'null') AND is_nullable = 'NO' AND NOT (is_identity = 'YES') AS "required"
FROM information_schema.columns AS c
LEFT JOIN (SELECT tc.table_schema, tc.table_name, kc.column_name FROM information_schema.table_constraints AS tc
  INNER JOIN information_schema.key_column_usage AS kc
    ON tc.constraint_name = kc.constraint_name AND tc.table_schema = kc.table_schema AND tc.table_name = kc.table_name
  WHERE tc.constraint_type = 'PRIMARY KEY') AS pk
  ON c.table_schema = pk.table_schema AND c.table_name = pk.table_name AND c.column_name = pk.column_name
WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND c.table_schema IN ('public')
UNION ALL
SELECT pa.attname AS "name", pt.typname AS "database-type", pa.attnum - 1 AS "database-position", pn.nspname AS "table-schema",
  pc.relname AS "table-name", FALSE AS "pk?", NULL AS "field-comment", FALSE AS "required"
FROM pg_catalog.pg_class AS pc
INNER JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
INNER JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = pc.oid
INNER JOIN pg_catalog.pg_type AS pt ON pt.oid = pa.atttypid
WHERE pc.relkind = 'm' AND pa.attnum >= 1
ORDER BY "table-schema" ASC, "table-name" ASC, "database-position" ASC
;
SELECT n.nspname AS schema, c.relname AS name, CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' ELSE 'OTHER' END AS type,
  d.description AS description, NULLIF(c.reltuples, -1) AS estimated_row_count
FROM pg_catalog.pg_class AS c
INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
LEFT JOIN pg_catalog.pg_description AS d ON c.oid = d.objoid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
WHERE c.relnamespace = n.oid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'f', 'm')
  AND n.nspname IN ('public') ORDER BY type ASC, schema ASC, name ASC
;
SELECT has_table_privilege('ada', 'orders', 'SELECT') AS "select", has_any_column_privilege('ada', '"Sales Lines"', 'update') AS "update"
;
-- Superset and Tableau
SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables
WHERE table_schema = ANY (current_schemas(false)) AND table_type IN ('BASE TABLE', 'VIEW') ORDER BY table_schema, table_name
;
SELECT tc.constraint_name, kcu.column_name, kcu.ordinal_position FROM information_schema.table_constraints tc
JOIN information_schema.key_column_usage kcu USING (constraint_schema, constraint_name)
WHERE tc.constraint_type = 'PRIMARY KEY' AND tc.table_name = 'Sales Lines' ORDER BY kcu.ordinal_position
;
SELECT tc.table_name, kcu.column_name, ccu.table_name AS foreign_table_name, ccu.column_name AS foreign_column_name
FROM information_schema.table_constraints AS tc
JOIN information_schema.key_column_usage AS kcu ON tc.constraint_name = kcu.constraint_name AND tc.table_schema = kcu.table_schema
JOIN information_schema.constraint_column_usage AS ccu ON ccu.constraint_name = tc.constraint_name
WHERE tc.constraint_type = 'FOREIGN KEY' AND tc.table_name = 'orders'
;
SELECT relname, pg_size_pretty(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1
;
-- DBeaver
SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate OR db.datname = 'dipper' ORDER BY db.datname
;
SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass ORDER BY nspname
;
SELECT c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr, pg_catalog.pg_get_partkeydef(c.oid) AS partition_key
FROM pg_catalog.pg_class c
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
WHERE c.relnamespace = 2200 AND c.relkind NOT IN ('i', 'I', 'c')
;
SELECT c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dsc.description, dep.objid
FROM pg_catalog.pg_attribute a
INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid)
LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum)
LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum AND dep.classid = dep.refclassid
WHERE NOT a.attisdropped AND c.oid = {orders} ORDER BY a.attnum
;
SELECT typ.oid, typ.*, format_type(nullif(typ.typbasetype, 0), typ.typtypmod) AS base_type_name, NULL AS description FROM pg_catalog.pg_type typ
WHERE typnamespace = 11 ORDER BY typ.oid
;
-- what the brief names
SELECT 'orders'::regclass, 'orders'::regclass::oid, 'int4'::regtype, '16'::oid, 23::regtype::text, '"Sales Lines"'::regclass::text
;
SELECT relname FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(orders)$' COLLATE pg_catalog.default
;
SELECT nspname FROM pg_namespace WHERE nspname = ANY (ARRAY['public', 'x']) OR nspname = ANY ('{pg_catalog,y}')
;
-- parameters: $1 = '{orders,clicks}'
SELECT relname FROM pg_class WHERE relname = ANY ($1) ORDER BY 1
;
SELECT a.attname, k.ord FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, ord)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = '"Sales Lines"'::regclass ORDER BY k.ord
;
SELECT array_agg(a.attname ORDER BY k.ord DESC) AS names FROM pg_constraint c, unnest(c.conkey) WITH ORDINALITY k(attnum, ord), pg_attribute a
WHERE a.attrelid = c.conrelid AND a.attnum = k.attnum AND c.conrelid = '"Sales Lines"'::regclass
;
SELECT c.relname, (SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1
;
SELECT c.relname, l.n FROM pg_class c, LATERAL (SELECT count(*) AS n FROM pg_attribute a WHERE a.attrelid = c.oid) l
WHERE c.relname IN ('orders', 'clicks') ORDER BY 1
;
SELECT i.indrelid::regclass, (information_schema._pg_expandarray(i.indkey)).n, (information_schema._pg_expandarray(i.indkey)).x FROM pg_index i
;
SELECT pg_get_indexdef('orders_pkey'::regclass), pg_get_serial_sequence('orders', 'id'), json_build_object('a', 1, 'b', NULL, 'c', 'x"y')
;
SELECT obj_description('orders'::regclass, 'pg_class'), col_description('orders'::regclass, 3), shobj_description(1, 'pg_database'), obj_description('orders'::regclass)
;
SELECT current_setting('no.such', true), set_config('search_path', '', false), pg_backend_pid(), txid_current(), pg_is_in_recovery(), current_schemas(true)
;
SELECT generate_series(1, 3) AS i, current_user
;
SELECT s.i, pg_backend_pid() FROM generate_series(1, 3) AS s(i)
;
SELECT generate_subscripts(indkey, 1) AS i, unnest(indkey) AS n FROM pg_index WHERE indrelid = '"Sales Lines"'::regclass
;
SELECT relname, relkind = 'r' AS is_table, relhasindex::text FROM pg_class WHERE relhasindex = 't' AND relispartition = 'f' ORDER BY relname FETCH FIRST 5 ROWS ONLY
;
SELECT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid) AS has_index, c.relname FROM pg_class c WHERE c.relnamespace = 2200 AND c.relkind IN ('r', 'v') ORDER BY 2
;
SELECT c.relname, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum DESC LIMIT 1) AS last_column
FROM pg_class c WHERE c.relnamespace = 2200 AND c.relkind = 'r' ORDER BY 1
;
SELECT c.relname, ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 ORDER BY a.attnum) AS columns
FROM pg_class c WHERE c.relnamespace = 2200 AND c.relkind IN ('r', 'v') ORDER BY 1
;
