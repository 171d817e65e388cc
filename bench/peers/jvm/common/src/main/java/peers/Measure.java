package peers;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;

/** What one run took, from its first processed record to its committed end. */
public final class Measure {
    private static final com.sun.management.OperatingSystemMXBean SYSTEM =
            (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final long expected;
    private final AtomicLong processed = new AtomicLong();
    private volatile long first;
    private volatile long half;
    private volatile long cpuBefore;

    public Measure(long expected) {
        this.expected = expected;
    }

    /** Counts one record, before it is processed; the threads of a process share the count. */
    public void count() {
        long number = processed.incrementAndGet();
        if (number == 1) {
            cpuBefore = SYSTEM.getProcessCpuTime();
            first = System.nanoTime();
        }
        if (number == expected / 2) half = System.nanoTime();
    }

    public boolean isProcessed() {
        return processed.get() >= expected;
    }

    /** Prints the result as one line of JSON; CPU is user and system time of all threads. */
    public void print(long committed) throws IOException {
        System.out.printf(
                Locale.ROOT,
                "{\"events\": %d, \"seconds\": %.3f, \"first_half_seconds\": %.3f, \"second_half_seconds\": %.3f, "
                        + "\"cpu_s\": %.2f, \"peak_rss_mib\": %d}%n",
                processed.get(),
                (committed - first) / 1e9,
                (half - first) / 1e9,
                (committed - half) / 1e9,
                (SYSTEM.getProcessCpuTime() - cpuBefore) / 1e9,
                peakRssMib());
        System.out.flush();
    }

    private static long peakRssMib() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM")) return Long.parseLong(line.replaceAll("[^0-9]", "")) / 1024;
        }
        throw new IOException("no VmHWM in /proc/self/status");
    }
}
