package peers;

import java.io.IOException;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The summaries of orders on Kafka Streams, in the processor API: no serialisation but that of the row itself. The rows are in
 * RocksDB behind a cache; what it writes is the changelog topic of their store, one record for each row that has left the
 * cache, which is at every commit.
 */
public final class StreamsPeer {
    /** Holds the rows of 50,000 orders; what a record's headers weigh is counted against it, too. */
    private static final long CACHE_BYTES = 256L << 20;

    private final Asked asked;
    private final String store;
    private final Measure measure;

    private StreamsPeer(Asked asked) {
        this.asked = asked;
        this.store = storeOf(asked);
        this.measure = new Measure(asked.events());
    }

    public static void main(String[] arguments) throws Exception {
        StreamsPeer peer = new StreamsPeer(Asked.from(arguments));
        KafkaStreams streams = new KafkaStreams(peer.topology(), peer.settings());
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        peer.awaitCommittedEnd(streams);
        peer.measure.print(System.nanoTime());
        new CountDownLatch(1).await(); // goes on until SIGTERM
    }

    private static String storeOf(Asked asked) {
        String prefix = asked.group() + "-";
        String suffix = "-changelog";
        String topic = asked.changelog();
        if (!topic.startsWith(prefix) || !topic.endsWith(suffix)) {
            throw new IllegalArgumentException("Kafka Streams names its changelog itself: " + prefix + "STORE" + suffix);
        }
        return topic.substring(prefix.length(), topic.length() - suffix.length());
    }

    private Topology topology() {
        Deserializer<OrderEvent> events = (topic, value) -> OrderEvent.decode(value);
        var rows = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(store), Serdes.Bytes(), Serdes.ByteArray());
        return new Topology()
                .addSource("events", Serdes.Bytes().deserializer(), events, asked.topic())
                .addProcessor("summarise", Summarise::new, "events")
                .addStateStore(rows.withCachingEnabled().withLoggingEnabled(Map.of()), "summarise");
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, asked.group());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, asked.bootstrap());
        settings.put(StreamsConfig.STATE_DIR_CONFIG, asked.directory().toString());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, asked.parallelism());
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, asked.intervalMs());
        settings.put(
                StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
                asked.exactlyOnce() ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
        return settings;
    }

    private void awaitCommittedEnd(KafkaStreams streams) throws Exception {
        try (Admin admin = Admin.create(Map.<String, Object>of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, asked.bootstrap()))) {
            while (!measure.isProcessed() || committed(admin) < asked.events()) {
                if (streams.state().hasCompletedShutdown()) throw new IOException("Kafka Streams gave up");
                Thread.sleep(5);
            }
        }
    }

    private long committed(Admin admin) throws ExecutionException, InterruptedException {
        var offsets = admin.listConsumerGroupOffsets(asked.group()).partitionsToOffsetAndMetadata().get();
        return offsets.values().stream().mapToLong(position -> position.offset()).sum();
    }

    private final class Summarise implements Processor<Bytes, OrderEvent, Void, Void> {
        private KeyValueStore<Bytes, byte[]> rows;

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            rows = context.getStateStore(store);
        }

        @Override
        public void process(Record<Bytes, OrderEvent> record) {
            measure.count();
            byte[] row = OrderSummary.fold(rows.get(record.key()), record.value());
            if (row != null) rows.put(record.key(), row);
        }
    }
}
