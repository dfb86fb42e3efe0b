import com.fasterxml.jackson.databind.ObjectMapper;
import io.trino.Session;
import io.trino.plugin.memory.MemoryConnectorFactory;
import io.trino.spi.type.TimeZoneKey;
import io.trino.testing.LocalQueryRunner;
import io.trino.testing.MaterializedResult;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;

import static io.trino.testing.TestingSession.testSessionBuilder;
import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * A Trino in this process, with tables in memory: reads one statement per line, as a JSON string, and writes one JSON
 * object per line: {"types", "rows"}, or {"error"}. Dates, timestamps and decimals are written as texts.
 */
public class RunTrino {
    public static void main(String[] arguments) throws Exception {
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, UTF_8);
        System.setOut(System.err); // what libraries print is no answer
        ObjectMapper json = new ObjectMapper();
        Session session = testSessionBuilder()
                .setTimeZoneKey(TimeZoneKey.UTC_KEY) // as Athena's
                .setCatalog("memory")
                .setSchema("default")
                .build();
        LocalQueryRunner trino = LocalQueryRunner.create(session);
        trino.createCatalog("memory", new MemoryConnectorFactory(), Map.of());
        BufferedReader statements = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        for (String line; (line = statements.readLine()) != null; ) {
            Map<String, Object> answer;
            try {
                answer = answer(trino.execute(json.readValue(line, String.class)));
            } catch (Exception error) {
                answer = Map.of("error", String.valueOf(error.getMessage()));
            }
            answers.println(json.writeValueAsString(answer));
        }
        System.exit(0); // Trino's threads would stay
    }

    private static Map<String, Object> answer(MaterializedResult result) {
        return Map.of(
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
