package peers;

import peers.OrderEvent.Item;
import peers.OrderEvent.ItemAdded;
import peers.OrderEvent.OrderCancelled;
import peers.OrderEvent.OrderConfirmed;
import peers.OrderEvent.OrderCreated;

/**
 * The row of one order, and its fold. It is stored in the same bytes as orderflow's own row (a MessagePack array). The lines
 * stay encoded while they are folded: an event only appends to them.
 */
public final class OrderSummary {
    private static final int FIELDS = 22;
    private static final byte[] NO_LINES = {};
    /** What the other topics tell of an order, before any of them did: 0, 0, 0, 0, [], [], 0, "none", nil. */
    private static final byte[] UNTOLD = {
        0, 0, 0, 0, (byte) 0x90, (byte) 0x90, 0, (byte) 0xa4, 'n', 'o', 'n', 'e', (byte) Packed.NIL
    };

    final String orderId;
    long version;
    String customerId = "";
    String reference = "";
    String status = "pending";
    String currency = "";
    long totalMinor;
    long itemCount;
    int lineCount;
    byte[] lines = NO_LINES;
    long placedAt = -1;
    String reason;
    String customerName = "";
    String deliveryAddress = "";

    private OrderSummary(String orderId) {
        this.orderId = orderId;
    }

    /** The stored row after the event, from the stored row before it (null: none yet); null when the event was seen before. */
    public static byte[] fold(byte[] stored, OrderEvent event) {
        OrderSummary row = stored == null ? new OrderSummary(event.orderId()) : decode(stored);
        if (event.version() <= row.version) return null;
        if (row.version != 0 && event.version() != row.version + 1) {
            throw new IllegalStateException("version " + event.version() + " after " + row.version + " of " + row.orderId);
        }
        row.apply(event);
        return row.encode();
    }

    private void apply(OrderEvent event) {
        version = event.version();
        if (event instanceof ItemAdded added) {
            add(added.item());
        } else if (event instanceof OrderCreated created) {
            customerId = created.customerId();
            reference = created.reference();
            currency = created.currency();
            placedAt = created.placedAt();
            customerName = created.customerName();
            deliveryAddress = created.deliveryAddress();
            totalMinor = itemCount = lineCount = 0;
            lines = NO_LINES;
            created.items().forEach(this::add);
        } else if (event instanceof OrderConfirmed) {
            status = "confirmed";
        } else if (event instanceof OrderCancelled cancelled) {
            status = "cancelled";
            reason = cancelled.reason();
        }
    }

    private void add(Item item) {
        totalMinor += item.quantity() * item.unitPriceMinor();
        itemCount += item.quantity();
        Packed longer = Packed.writing(lines.length + item.sku().length() + 8);
        longer.writeRaw(lines);
        longer.writeArray(2);
        longer.writeString(item.sku());
        longer.writeLong(item.quantity());
        lines = longer.toBytes();
        lineCount++;
    }

    private byte[] encode() {
        Packed out = Packed.writing(160 + lines.length);
        out.writeArray(FIELDS);
        out.writeString(orderId);
        out.writeLong(version);
        out.writeString(customerId);
        out.writeString(reference);
        out.writeString(status);
        out.writeString(currency);
        out.writeLong(totalMinor);
        out.writeLong(itemCount);
        out.writeArray(lineCount);
        out.writeRaw(lines);
        if (placedAt < 0) out.writeNil();
        else out.writeLong(placedAt);
        if (reason == null) out.writeNil();
        else out.writeString(reason);
        out.writeRaw(UNTOLD);
        out.writeString(customerName);
        out.writeString(deliveryAddress);
        return out.toBytes();
    }

    private static OrderSummary decode(byte[] stored) {
        Packed in = Packed.reading(stored);
        in.readArray();
        OrderSummary row = new OrderSummary(in.readString());
        row.version = in.readLong();
        row.customerId = in.readString();
        row.reference = in.readString();
        row.status = in.readString();
        row.currency = in.readString();
        row.totalMinor = in.readLong();
        row.itemCount = in.readLong();
        row.lineCount = in.readArray();
        int start = in.position();
        for (int line = 0; line < row.lineCount; line++) {
            in.readArray();
            in.skipString();
            in.readLong();
        }
        row.lines = in.from(start);
        if (!in.skipNil()) row.placedAt = in.readLong();
        if (!in.skipNil()) row.reason = in.readString();
        in.skip(UNTOLD.length);
        row.customerName = in.readString();
        row.deliveryAddress = in.readString();
        return row;
    }
}
