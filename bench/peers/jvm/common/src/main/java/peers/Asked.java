package peers;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/** What the command line asks of a peer; what is optional is at its default. */
public record Asked(
        String bootstrap,
        String topic,
        String group,
        String changelog,
        long events,
        long intervalMs,
        boolean exactlyOnce,
        int parallelism,
        boolean emit,
        Path directory) {
    private static final Set<String> FLAGS = Set.of("exactly-once", "emit");

    public static Asked from(String[] arguments) {
        Map<String, String> given = new HashMap<>();
        for (int index = 0; index < arguments.length; index++) {
            String name = arguments[index].replaceFirst("^--", "");
            given.put(name, FLAGS.contains(name) ? "" : arguments[++index]);
        }
        return new Asked(
                given.get("bootstrap"),
                given.get("topic"),
                given.get("group"),
                given.get("changelog"),
                Long.parseLong(given.get("events")),
                Long.parseLong(given.get("interval-ms")),
                given.containsKey("exactly-once"),
                Integer.parseInt(given.getOrDefault("parallelism", "1")),
                given.containsKey("emit"),
                Path.of(given.get("directory")));
    }
}
