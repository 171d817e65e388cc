package peers;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Folds each event into its order's row, and knows which checkpoint holds the last of them. All subtasks are in one JVM. */
final class Summarise extends KeyedProcessFunction<String, Tuple2<String, byte[]>, Tuple2<String, byte[]>>
        implements CheckpointedFunction, CheckpointListener {
    private static final Map<Long, AtomicLong> CONTAINED = new ConcurrentHashMap<>(); // checkpoint -> events in it
    private static Measure measure;
    private static long expected;
    private static volatile long committed;

    private final boolean emit;
    private transient ValueState<byte[]> rows;
    private long folded;

    Summarise(boolean emit) {
        this.emit = emit;
    }

    static void begin(long events) {
        expected = events;
        measure = new Measure(events);
    }

    static Measure measure() {
        return measure;
    }

    /** When the checkpoint that holds the last event was complete, in nanoseconds; 0 until then. */
    static long committed() {
        return committed;
    }

    @Override
    public void open(OpenContext context) {
        rows = getRuntimeContext().getState(new ValueStateDescriptor<>("rows", byte[].class));
    }

    @Override
    public void processElement(Tuple2<String, byte[]> in, Context context, Collector<Tuple2<String, byte[]>> out)
            throws Exception {
        measure.count();
        folded++;
        byte[] row = OrderSummary.fold(rows.value(), OrderEvent.decode(in.f1));
        if (row == null) return;
        rows.update(row);
        if (emit) out.collect(Tuple2.of(in.f0, row));
    }

    @Override
    public void initializeState(FunctionInitializationContext context) {
        folded = 0;
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) {
        CONTAINED.computeIfAbsent(context.getCheckpointId(), id -> new AtomicLong()).addAndGet(folded);
    }

    @Override
    public void notifyCheckpointComplete(long checkpoint) {
        if (committed == 0 && CONTAINED.get(checkpoint).get() >= expected) committed = System.nanoTime();
    }
}
