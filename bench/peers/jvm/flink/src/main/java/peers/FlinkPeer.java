package peers;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * The summaries of orders on Flink: one JVM (a mini cluster), the rows in RocksDB, exactly once by incremental checkpoints on
 * the local disk, at the commit interval. The checkpoint is Flink's changelog and writes no topic, which is the cheapest for
 * it; only with {@code --emit} does each new row also go to the changelog topic. Parallelism 1 chains source and fold in one
 * thread; with more, the undecoded bytes go to the thread that keeps the key, and are decoded there.
 */
public final class FlinkPeer {
    private final Asked asked;

    private FlinkPeer(Asked asked) {
        this.asked = asked;
    }

    public static void main(String[] arguments) throws Exception {
        FlinkPeer peer = new FlinkPeer(Asked.from(arguments));
        Summarise.begin(peer.asked.events());
        JobClient job = peer.job().executeAsync(peer.asked.group());
        var result = job.getJobExecutionResult();
        while (Summarise.committed() == 0) {
            if (result.isDone()) result.get(); // only a failure ends it
            Thread.sleep(2);
        }
        Summarise.measure().print(Summarise.committed());
        result.get(); // goes on until SIGTERM
    }

    private StreamExecutionEnvironment job() {
        var environment = StreamExecutionEnvironment.createLocalEnvironment(asked.parallelism(), settings());
        DataStream<Tuple2<String, byte[]>> records =
                environment.fromSource(source(), WatermarkStrategy.noWatermarks(), "events");
        KeySelector<Tuple2<String, byte[]>, String> key = new OrderId();
        KeyedStream<Tuple2<String, byte[]>, String> keyed = asked.parallelism() == 1
                ? DataStreamUtils.reinterpretAsKeyedStream(records, key, Types.STRING)
                : records.keyBy(key, Types.STRING);
        var rows = keyed.process(new Summarise(asked.emit()), pair()).uid("summarise");
        if (asked.emit()) rows.sinkTo(sink());
        else rows.sinkTo(new DiscardingSink<>());
        return environment;
    }

    private Configuration settings() {
        Path directory = asked.directory().toAbsolutePath();
        Configuration settings = new Configuration();
        settings.setString("state.backend.type", "rocksdb");
        settings.setString("state.backend.rocksdb.localdir", directory.resolve("rocksdb").toString());
        settings.setString("execution.checkpointing.incremental", "true");
        settings.setString("execution.checkpointing.storage", "filesystem");
        settings.setString("execution.checkpointing.dir", directory.resolve("checkpoints").toUri().toString());
        settings.setString("execution.checkpointing.interval", asked.intervalMs() + " ms");
        settings.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
        settings.setString("taskmanager.memory.managed.size", "256m");
        settings.setString("taskmanager.numberOfTaskSlots", String.valueOf(asked.parallelism()));
        settings.setString("pipeline.object-reuse", "true");
        settings.setString("restart-strategy.type", "none");
        settings.setString("rest.port", "0");
        settings.setString("rest.bind-port", "0");
        return settings;
    }

    private KafkaSource<Tuple2<String, byte[]>> source() {
        return KafkaSource.<Tuple2<String, byte[]>>builder()
                .setBootstrapServers(asked.bootstrap())
                .setTopics(asked.topic())
                .setGroupId(asked.group())
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setDeserializer(new Undecoded())
                .setProperty("max.poll.records", "5000")
                .build();
    }

    private KafkaSink<Tuple2<String, byte[]>> sink() {
        String topic = asked.changelog();
        KafkaRecordSerializationSchema<Tuple2<String, byte[]>> row = (pair, context, timestamp) ->
                new ProducerRecord<>(topic, pair.f0.getBytes(StandardCharsets.UTF_8), pair.f1);
        return KafkaSink.<Tuple2<String, byte[]>>builder()
                .setBootstrapServers(asked.bootstrap())
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE) // the last row of a key is the same either way
                .setRecordSerializer(row)
                .build();
    }

    static TypeInformation<Tuple2<String, byte[]>> pair() {
        return Types.TUPLE(Types.STRING, Types.PRIMITIVE_ARRAY(Types.BYTE));
    }

    private static final class OrderId implements KeySelector<Tuple2<String, byte[]>, String> {
        @Override
        public String getKey(Tuple2<String, byte[]> pair) {
            return pair.f0;
        }
    }

    private static final class Undecoded implements KafkaRecordDeserializationSchema<Tuple2<String, byte[]>> {
        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Tuple2<String, byte[]>> out) {
            out.collect(Tuple2.of(new String(record.key(), StandardCharsets.UTF_8), record.value()));
        }

        @Override
        public TypeInformation<Tuple2<String, byte[]>> getProducedType() {
            return pair();
        }
    }
}
