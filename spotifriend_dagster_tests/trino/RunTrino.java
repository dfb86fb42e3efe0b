import com.fasterxml.jackson.databind.ObjectMapper;
import io.trino.Session;
import io.trino.plugin.memory.MemoryConnectorFactory;
import io.trino.spi.Plugin;
import io.trino.spi.TrinoException;
import io.trino.spi.type.TimeZoneKey;
import io.trino.testing.LocalQueryRunner;
import io.trino.testing.MaterializedResult;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

import static io.trino.testing.TestingSession.testSessionBuilder;
import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * A Trino in this process, with tables in memory: reads one statement per line, as a JSON string, and writes one JSON
 * object per line: {"names", "types", "rows"}, or {"error", "kind"}. Dates, timestamps and decimals are written as texts.
 *
 * With arguments, tables are those of Hive instead: a schema's name, then the properties of the Hive connector.
 */
public class RunTrino {
    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, UTF_8);
        System.setOut(System.err); // what libraries print is no answer
        ObjectMapper json = new ObjectMapper();
        Session session = testSessionBuilder()
                .setTimeZoneKey(TimeZoneKey.UTC_KEY) // as Athena's
                .setCatalog(arguments.length > 0 ? "awsdatacatalog" : "memory")
                .setSchema(arguments.length > 0 ? arguments[0] : "default")
                .build();
        LocalQueryRunner trino = LocalQueryRunner.create(session);
        trino.createCatalog("memory", new MemoryConnectorFactory(), Map.of());
        if (arguments.length > 0) {
            Map<String, String> properties = new HashMap<>();
            for (String property : List.of(arguments).subList(1, arguments.length)) {
                properties.put(property.split("=", 2)[0], property.split("=", 2)[1]);
            }
            Class<?> hive = Class.forName("io.trino.plugin.hive.HivePlugin"); // its jars are here only when wanted
            Plugin plugin = (Plugin) hive.getConstructor().newInstance();
            trino.createCatalog("awsdatacatalog", plugin.getConnectorFactories().iterator().next(), properties);
        }
        BufferedReader statements = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line; (line = statements.readLine()) != null; ) {
            Map<String, Object> answer;
            try {
                answer = answer(trino.execute(json.readValue(line, String.class)));
            } catch (Exception error) {
                String kind = error instanceof TrinoException known ? known.getErrorCode().getName() : "";
                answer = Map.of("error", String.valueOf(error.getMessage()), "kind", kind);
            }
            answers.println(json.writeValueAsString(answer));
        }
        System.exit(0); // Trino's threads would stay
    }

    private static Map<String, Object> answer(MaterializedResult result) {
        return Map.of(
                "names", result.getColumnNames(),
                "types", result.getTypes().stream().map(Object::toString).toList(),
                "rows", result.getMaterializedRows().stream().map(row -> plain(row.getFields())).toList());
    }

    private static Object plain(Object value) {
        if (value instanceof List<?> values) {
            return values.stream().map(RunTrino::plain).toList();
        }
        boolean isPlain = value == null || value instanceof Boolean
                || value instanceof Number && !(value instanceof BigDecimal);
        return isPlain ? value : value.toString();
    }
}
