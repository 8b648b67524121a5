// pgjdbc finds out what there is, and reads and writes values of all types, in text and binary.
// `java -cp postgresql.jar Jdbc.java PORT`, for a Postgres server with the tables of tables.sql.

import java.math.BigDecimal;
import java.sql.*;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.Timer;
import java.util.TimerTask;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;

class Jdbc {
    static final List<String> COLUMNS = List.of("id", "symbol", "price", "quantity", "rate", "is_buy", "day", "ts", "note");
    static final String[] SYMBOLS = {"ACME", "BOLT", "CORE", "DART"};
    static final String[] NOTES = {
        null, "plain", "größer ✓ 日本 🙂", "it's \"quoted\", {braced}", "a\ttab", "two\nlines", "", "back\\slash 100%", "\\N"
    };
    static final String ENDLESS = "SELECT count(*) FROM ticks AS a CROSS JOIN ticks AS b WHERE a.n + b.n < 0";
    static String url;

    /** One thing that must work. */
    interface Check {
        void run(Connection connection) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/dipper?user=dipper&connectTimeout=10&socketTimeout=120";
        int failed = 0;
        Object[][] checks = {
            {"namesAreListed", (Check) Jdbc::namesAreListed},
            {"columnsAreDescribed", (Check) Jdbc::columnsAreDescribed},
            {"keysAreListed", (Check) Jdbc::keysAreListed},
            {"theServerDescribesItself", (Check) Jdbc::theServerDescribesItself},
            {"rowsAreReadInPieces", (Check) Jdbc::rowsAreReadInPieces},
            {"rowsAreTheSameInTextAndBinary", (Check) Jdbc::rowsAreTheSameInTextAndBinary},
            {"parametersOfAllTypesArrive", (Check) Jdbc::parametersOfAllTypesArrive},
            {"resultsDescribeThemselves", (Check) Jdbc::resultsDescribeThemselves},
            {"aTableIsMadeFilledAndDropped", (Check) Jdbc::aTableIsMadeFilledAndDropped},
            {"transactionsGoOnAfterAnError", (Check) Jdbc::transactionsGoOnAfterAnError},
            {"aQueryIsCancelled", (Check) Jdbc::aQueryIsCancelled},
            {"copyWritesRows", (Check) Jdbc::copyWritesRows},
            {"errorsHaveTheirState", (Check) Jdbc::errorsHaveTheirState},
            {"simpleQueriesWork", (Check) Jdbc::simpleQueriesWork},
        };
        for (Object[] check : checks) {
            try (Connection connection = DriverManager.getConnection(url)) {
                ((Check) check[1]).run(connection);
            } catch (Throwable error) {
                failed++;
                int line = Arrays.stream(error.getStackTrace())
                    .filter(place -> place.getMethodName().contains((String) check[0]))
                    .mapToInt(StackTraceElement::getLineNumber).findFirst().orElse(0);
                System.err.println("FAILED " + check[0] + ", line " + line + ": " + error + "\n");
            }
        }
        System.out.println("Jdbc.java: " + (checks.length - failed) + " passed, " + failed + " failed");
        System.exit(failed == 0 ? 0 : 1);
    }

    static void namesAreListed(Connection connection) throws SQLException {
        DatabaseMetaData about = connection.getMetaData();
        contains(strings(about.getSchemas(), "TABLE_SCHEM"), List.of("public", "information_schema", "pg_catalog"));
        contains(strings(about.getCatalogs(), "TABLE_CAT"), List.of("dipper"));
        contains(strings(about.getTableTypes(), "TABLE_TYPE"), List.of("TABLE", "VIEW"));
        List<String> tables = strings(about.getTables(null, "public", "%", new String[] {"TABLE"}), "TABLE_NAME");
        contains(tables, List.of("ticks", "trades"));
        equal(tables.contains("expensive"), false);
        equal(strings(about.getTables(null, "public", "%", new String[] {"VIEW"}), "TABLE_NAME"), List.of("expensive"));
        equal(strings(about.getTables(null, null, "trade_", null), "TABLE_NAME"), List.of("trades"));
        equal(strings(about.getTables(null, null, "trades", null), "REMARKS"), List.of("what was bought and sold"));
    }

    static void columnsAreDescribed(Connection connection) throws SQLException {
        DatabaseMetaData about = connection.getMetaData();
        equal(strings(about.getColumns(null, "public", "trades", "%"), "COLUMN_NAME"), COLUMNS);
        List<String> types = strings(about.getColumns(null, "public", "trades", null), "DATA_TYPE");
        int[] expected = {
            Types.BIGINT, Types.VARCHAR, Types.NUMERIC, Types.INTEGER, Types.DOUBLE, Types.BIT, Types.DATE, Types.TIMESTAMP, Types.VARCHAR
        };
        equal(types, Arrays.stream(expected).mapToObj(String::valueOf).toList());
        equal(strings(about.getColumns(null, "public", "trades", "%"), "IS_NULLABLE").subList(0, 2), List.of("NO", "YES"));
        try (ResultSet price = about.getColumns(null, null, "trades", "price")) {
            price.next();
            equal(List.of(price.getString("TYPE_NAME"), price.getInt("COLUMN_SIZE"), price.getInt("DECIMAL_DIGITS"), price.getInt("ORDINAL_POSITION")),
                List.of("numeric", 12, 4, 3));
        }
        equal(strings(about.getColumns(null, null, "trades", "id"), "REMARKS"), List.of("counts from 1"));
    }

    static void keysAreListed(Connection connection) throws SQLException {
        DatabaseMetaData about = connection.getMetaData();
        equal(strings(about.getPrimaryKeys(null, "public", "trades"), "COLUMN_NAME"), List.of("id"));
        equal(strings(about.getPrimaryKeys(null, "public", "ticks"), "COLUMN_NAME"), List.of());
        equal(strings(about.getIndexInfo(null, "public", "trades", true, false), "COLUMN_NAME"), List.of("id"));
        equal(strings(about.getImportedKeys(null, "public", "trades"), "FKCOLUMN_NAME"), List.of());
        equal(strings(about.getExportedKeys(null, "public", "trades"), "FKCOLUMN_NAME"), List.of());
        strings(about.getBestRowIdentifier(null, "public", "trades", DatabaseMetaData.bestRowSession, true), "COLUMN_NAME");
    }

    static void theServerDescribesItself(Connection connection) throws SQLException {
        DatabaseMetaData about = connection.getMetaData();
        equal(about.getDatabaseProductName(), "PostgreSQL");
        equal(about.getDatabaseMajorVersion() >= 14, true);
        contains(strings(about.getTypeInfo(), "TYPE_NAME"), List.of("int8", "text", "numeric", "int4", "float8", "bool", "date", "timestamp"));
        equal(connection.getCatalog(), "dipper");
        equal(connection.getSchema(), "public");
        equal(connection.isValid(10), true);
        equal(about.getUserName(), "dipper");
        strings(about.getFunctions(null, null, "no_such%"), "FUNCTION_NAME");
        strings(about.getProcedures(null, null, "no_such%"), "PROCEDURE_NAME");
        strings(about.getTablePrivileges(null, "public", "trades"), "PRIVILEGE");
        equal(about.getMaxColumnNameLength() > 0, true);
    }

    static void rowsAreReadInPieces(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        LocalDateTime began = LocalDateTime.of(2026, 1, 1, 0, 0);
        try (PreparedStatement query = connection.prepareStatement("SELECT n, ts, symbol FROM ticks WHERE n > ? ORDER BY n")) {
            query.setFetchSize(10_000);
            query.setLong(1, 0);
            try (ResultSet rows = query.executeQuery()) {
                long n = 0;
                while (rows.next()) {
                    n++;
                    // Another query in the middle does not disturb the first.
                    if (n % 25_000 == 0) {
                        equal(one(connection, "SELECT count(*) FROM trades"), 1000L);
                    }
                    if (rows.getLong(1) != n || !rows.getString(3).equals("S" + n % 100)) {
                        throw new AssertionError("row " + n + ": " + rows.getLong(1) + ", " + rows.getString(3));
                    }
                    if (n % 997 == 0) {
                        equal(rows.getObject(2, LocalDateTime.class), began.plus(10 * n, ChronoUnit.MILLIS));
                    }
                }
                equal(n, 100_000L);
            }
        }
        connection.commit();
        try (Statement query = connection.createStatement()) {
            query.setMaxRows(7);
            try (ResultSet rows = query.executeQuery("SELECT n FROM ticks ORDER BY n")) {
                int count = 0;
                while (rows.next()) {
                    count++;
                }
                equal(count, 7);
            }
        }
        connection.rollback();
    }

    static void rowsAreTheSameInTextAndBinary(Connection connection) throws SQLException {
        try (PreparedStatement query = connection.prepareStatement("SELECT * FROM trades WHERE id >= ? ORDER BY id")) {
            query.unwrap(PGStatement.class).setPrepareThreshold(5);
            for (int execution = 0; execution < 10; execution++) {
                query.setLong(1, 1);
                long id = 0;
                try (ResultSet rows = query.executeQuery()) {
                    while (rows.next()) {
                        id++;
                        List<Object> row = Arrays.asList(
                            rows.getLong(1), rows.getString(2), rows.getBigDecimal(3), rows.getInt(4), rows.getDouble(5), rows.getBoolean(6),
                            rows.getObject(7, LocalDate.class), rows.getObject(8, LocalDateTime.class), rows.getString(9));
                        equal(row, trade(id));
                    }
                }
                equal(id, 1000L);
            }
            equal(query.unwrap(PGStatement.class).isUseServerPrepare(), true);
        }
    }

    static void parametersOfAllTypesArrive(Connection connection) throws SQLException {
        String sql = "SELECT CAST(? AS SMALLINT), CAST(? AS INT), CAST(? AS BIGINT), CAST(? AS REAL), CAST(? AS DOUBLE PRECISION), "
            + "CAST(? AS DECIMAL(38, 10)), CAST(? AS VARCHAR), CAST(? AS BYTEA), CAST(? AS BOOLEAN), CAST(? AS DATE), CAST(? AS TIME(6)), "
            + "CAST(? AS TIMESTAMP(6)), CAST(? AS TIMESTAMP(6) WITH TIME ZONE), CAST(? AS INT), CAST(? AS VARCHAR)";
        BigDecimal number = new BigDecimal("-1234567890123456789012345678.0123456789");
        OffsetDateTime instant = OffsetDateTime.of(1969, 12, 31, 23, 59, 59, 999_999_000, ZoneOffset.UTC);
        Timestamp time = Timestamp.valueOf("1999-12-31 23:59:59.999999");
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            for (int execution = 0; execution < 8; execution++) {
                query.setShort(1, (short) -32768);
                query.setInt(2, Integer.MIN_VALUE);
                query.setLong(3, Long.MAX_VALUE);
                query.setFloat(4, 1.1f);
                query.setDouble(5, Double.NEGATIVE_INFINITY);
                query.setBigDecimal(6, number);
                query.setString(7, "it's a\\b\n✓");
                query.setBytes(8, new byte[] {0, -1, 39, 92});
                query.setBoolean(9, true);
                query.setDate(10, Date.valueOf("2000-02-29"));
                query.setObject(11, LocalTime.of(23, 59, 59, 999_999_000));
                query.setTimestamp(12, time);
                query.setObject(13, instant);
                query.setNull(14, Types.INTEGER);
                query.setString(15, null);
                try (ResultSet row = query.executeQuery()) {
                    row.next();
                    equal(row.getShort(1), (short) -32768);
                    equal(row.getInt(2), Integer.MIN_VALUE);
                    equal(row.getLong(3), Long.MAX_VALUE);
                    equal(row.getFloat(4), 1.1f);
                    equal(row.getDouble(5), Double.NEGATIVE_INFINITY);
                    equal(row.getBigDecimal(6), number);
                    equal(row.getString(7), "it's a\\b\n✓");
                    equal(Arrays.toString(row.getBytes(8)), "[0, -1, 39, 92]");
                    equal(row.getBoolean(9), true);
                    equal(row.getDate(10), Date.valueOf("2000-02-29"));
                    equal(row.getObject(11, LocalTime.class), LocalTime.of(23, 59, 59, 999_999_000));
                    equal(row.getTimestamp(12), time);
                    equal(row.getObject(13, OffsetDateTime.class).toInstant(), instant.toInstant());
                    equal(row.getObject(14), null);
                    equal(row.getObject(15), null);
                }
            }
        }
        String found = "SELECT id FROM trades WHERE symbol = ? AND price = ? AND quantity = ? AND rate = ? AND is_buy = ? AND day = ? AND ts = ? AND note = ?";
        List<Object> row = trade(434);
        try (PreparedStatement query = connection.prepareStatement(found)) {
            for (int execution = 0; execution < 8; execution++) {
                query.setString(1, (String) row.get(1));
                query.setBigDecimal(2, (BigDecimal) row.get(2));
                query.setInt(3, (Integer) row.get(3));
                query.setDouble(4, (Double) row.get(4));
                query.setBoolean(5, (Boolean) row.get(5));
                query.setDate(6, Date.valueOf((LocalDate) row.get(6)));
                query.setTimestamp(7, Timestamp.valueOf((LocalDateTime) row.get(7)));
                query.setObject(8, row.get(8));
                equal(strings(query.executeQuery(), "id"), List.of("434"));
            }
        }
        try (PreparedStatement query = connection.prepareStatement("SELECT id FROM trades WHERE id = ANY(?) ORDER BY id")) {
            query.setArray(1, connection.createArrayOf("bigint", new Long[] {3L, 1L, 2000L}));
            equal(strings(query.executeQuery(), "id"), List.of("1", "3"));
        }
        equal(one(connection, "SELECT ARRAY['a', NULL, 'b\"c']", 1, Array.class).toString(), "{a,NULL,\"b\\\"c\"}");
    }

    static void resultsDescribeThemselves(Connection connection) throws SQLException {
        try (PreparedStatement query = connection.prepareStatement("SELECT *, price * 2 AS twice FROM trades WHERE id = ? AND symbol = ?")) {
            ResultSetMetaData result = query.getMetaData();
            equal(result.getColumnCount(), 10);
            equal(List.of(result.getColumnLabel(3), result.getColumnTypeName(3), result.getPrecision(3), result.getScale(3)),
                List.of("price", "numeric", 12, 4));
            equal(List.of(result.getColumnType(1), result.getColumnClassName(8), result.getColumnLabel(10)),
                List.of(Types.BIGINT, "java.sql.Timestamp", "twice"));
            ParameterMetaData parameters = query.getParameterMetaData();
            equal(List.of(parameters.getParameterCount(), parameters.getParameterTypeName(1)), List.of(2, "int8"));
        }
    }

    static void aTableIsMadeFilledAndDropped(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("DROP TABLE IF EXISTS of_jdbc");
            equal(statement.executeUpdate("CREATE TABLE of_jdbc (id BIGINT, at TIMESTAMP(6), amount DECIMAL(10, 2), note VARCHAR)"), 0);
            try (PreparedStatement insert = connection.prepareStatement("INSERT INTO of_jdbc VALUES (?, ?, ?, ?)")) {
                for (int i = 1; i <= 3; i++) {
                    insert.setLong(1, i);
                    insert.setTimestamp(2, Timestamp.valueOf("2026-01-0" + i + " 00:00:00.5"));
                    insert.setBigDecimal(3, BigDecimal.valueOf(25 * i, 2));
                    insert.setString(4, i == 2 ? null : "it's " + i);
                    insert.addBatch();
                }
                equal(Arrays.toString(insert.executeBatch()), "[1, 1, 1]");
            }
            equal(statement.executeUpdate("INSERT INTO of_jdbc SELECT id + 3, at, amount, note FROM of_jdbc"), 3);
            equal(one(connection, "SELECT count(*) FROM of_jdbc WHERE note IS NULL"), 2L);
            equal(one(connection, "SELECT max(at) FROM of_jdbc", 1, Timestamp.class), Timestamp.valueOf("2026-01-03 00:00:00.5"));
            statement.execute("DROP TABLE of_jdbc");
        }
    }

    static void transactionsGoOnAfterAnError(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        connection.setReadOnly(true);
        connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
        equal(one(connection, "SELECT count(*) FROM trades"), 1000L);
        Savepoint savepoint = connection.setSavepoint();
        equal(fails(connection, "SELECT * FROM nowhere").getSQLState(), "42P01");
        equal(fails(connection, "SELECT 1").getSQLState(), "25P02");
        connection.rollback(savepoint);
        equal(one(connection, "SELECT count(*) FROM expensive"), 96L);
        connection.commit();
        connection.setReadOnly(false);
    }

    static void aQueryIsCancelled(Connection connection) throws SQLException {
        Timer timer = new Timer(true);
        try (Statement query = connection.createStatement()) {
            timer.schedule(new TimerTask() {
                @Override
                public void run() {
                    try {
                        query.cancel();
                    } catch (SQLException error) {
                        throw new IllegalStateException(error);
                    }
                }
            }, 1000);
            equal(fails(query, ENDLESS).getSQLState(), "57014");
            query.setQueryTimeout(1);
            equal(fails(query, ENDLESS).getSQLState(), "57014");
        }
        equal(one(connection, "SELECT count(*) FROM ticks"), 100_000L);
    }

    static void copyWritesRows(Connection connection) throws Exception {
        var text = new java.io.ByteArrayOutputStream();
        var copy = connection.unwrap(PGConnection.class).getCopyAPI();
        equal(copy.copyOut("COPY (SELECT id, note FROM trades WHERE id < 10 ORDER BY id) TO STDOUT", text), 9L);
        equal(text.toString("UTF-8").split("\n")[4], "5\ttwo\\nlines");
        equal(text.toString("UTF-8").split("\n")[8], "9\t\\N");
    }

    static void errorsHaveTheirState(Connection connection) throws SQLException {
        String[][] wrong = {
            {"SELECT * FROM nowhere", "42P01"}, {"SELECT nothing FROM trades", "42703"}, {"SELECT id FROM trades WHERE )", "42601"},
            {"SELECT 1 / 0", "22012"}, {"SELECT no_such_function(1)", "42883"}, {"CREATE TABLE ticks (a INT)", "42P07"},
        };
        for (String[] one : wrong) {
            equal(one[0] + " " + fails(connection, one[0]).getSQLState(), one[0] + " " + one[1]);
        }
    }

    static void simpleQueriesWork(Connection unused) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("preferQueryMode", "simple");
        try (Connection connection = DriverManager.getConnection(url, properties);
                PreparedStatement query = connection.prepareStatement("SELECT note FROM trades WHERE id = ? AND note = ?")) {
            query.setLong(1, 7);
            query.setString(2, NOTES[7]);
            equal(strings(query.executeQuery(), "note"), List.of(NOTES[7]));
        }
    }

    /** The row of `trades` with this id. */
    static List<Object> trade(long id) {
        return Arrays.asList(
            id, SYMBOLS[(int) (id % 4)], BigDecimal.valueOf((id - 500) * 12347, 4), (int) (id * 7919 % 1000 - 500), id / 7.0, id % 3 == 0,
            LocalDate.of(2000, 2, 20).plusDays(id), LocalDateTime.of(1999, 6, 1, 0, 0).plus(id * 43_210_123_457L, ChronoUnit.MICROS),
            NOTES[(int) (id % 9)]);
    }

    /** One column of all rows. */
    static List<String> strings(ResultSet rows, String column) throws SQLException {
        try (rows) {
            List<String> values = new ArrayList<>();
            while (rows.next()) {
                values.add(rows.getString(column));
            }
            return values;
        }
    }

    static long one(Connection connection, String sql) throws SQLException {
        return one(connection, sql, 1, Long.class);
    }

    static <T> T one(Connection connection, String sql, int column, Class<T> type) throws SQLException {
        try (Statement query = connection.createStatement(); ResultSet row = query.executeQuery(sql)) {
            row.next();
            return row.getObject(column, type);
        }
    }

    static SQLException fails(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            return fails(statement, sql);
        }
    }

    static SQLException fails(Statement statement, String sql) {
        try {
            statement.execute(sql);
        } catch (SQLException error) {
            return error;
        }
        throw new AssertionError("no error: " + sql);
    }

    static void contains(Collection<String> actual, Collection<String> expected) {
        if (!actual.containsAll(expected)) {
            throw new AssertionError(actual + " should contain " + expected);
        }
    }

    static void equal(Object actual, Object expected) {
        if (!Objects.equals(actual, expected)) {
            throw new AssertionError(actual + " should be " + expected);
        }
    }
}
