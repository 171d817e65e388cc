package peers;

import java.util.ArrayList;
import java.util.List;

/** An event of {@code orders.events}, with the fields that the row is folded from. */
public sealed interface OrderEvent {
    String orderId();

    long version();

    record Item(String sku, long quantity, long unitPriceMinor) {}

    record OrderCreated(
            String orderId,
            long version,
            String customerId,
            String currency,
            String reference,
            List<Item> items,
            long placedAt,
            String customerName,
            String deliveryAddress)
            implements OrderEvent {}

    record ItemAdded(String orderId, long version, Item item) implements OrderEvent {}

    record OrderConfirmed(String orderId, long version) implements OrderEvent {}

    record OrderCancelled(String orderId, long version, String reason) implements OrderEvent {}

    /** Decodes the Confluent wire format; the ids and the order of the fields are those of {@code schemas/}. */
    static OrderEvent decode(byte[] value) {
        if (value[0] != 0) throw new IllegalArgumentException("magic byte " + value[0]);
        int schema = (value[1] & 0xff) << 24 | (value[2] & 0xff) << 16 | (value[3] & 0xff) << 8 | value[4] & 0xff;
        AvroBody body = new AvroBody(value, 5);
        body.skipString(); // event_id
        String orderId = body.readString();
        long version = body.readLong();
        body.skipLong(); // occurred_at
        body.skipString(); // correlation_id
        body.skipString(); // causation_id
        return switch (schema) {
            case 4 -> itemAdded(orderId, version, body);
            case 5 -> orderCancelled(orderId, version, body);
            case 6 -> new OrderConfirmed(orderId, version);
            case 37 -> orderCreated(orderId, version, body);
            default -> throw new IllegalArgumentException("schema " + schema);
        };
    }

    private static OrderEvent orderCreated(String orderId, long version, AvroBody body) {
        String customerId = body.readString();
        String currency = body.readString();
        String reference = body.readString();
        List<Item> items = new ArrayList<>(4);
        for (int count = body.readBlock(); count > 0; count = body.readBlock()) {
            for (int index = 0; index < count; index++) items.add(item(body));
        }
        body.skipLong(); // fulfilment
        long placedAt = body.readLong();
        String customerName = body.readString();
        String deliveryAddress = body.readString();
        return new OrderCreated(
                orderId, version, customerId, currency, reference, items, placedAt, customerName, deliveryAddress);
    }

    private static OrderEvent itemAdded(String orderId, long version, AvroBody body) {
        body.skipString(); // customer_id
        body.skipString(); // currency
        return new ItemAdded(orderId, version, item(body));
    }

    private static OrderEvent orderCancelled(String orderId, long version, AvroBody body) {
        body.skipString(); // customer_id
        return new OrderCancelled(orderId, version, body.readString());
    }

    private static Item item(AvroBody body) {
        return new Item(body.readString(), body.readLong(), body.readLong());
    }
}
