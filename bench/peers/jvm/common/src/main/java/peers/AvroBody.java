package peers;

import java.nio.charset.StandardCharsets;

/** A cursor over one Avro body, for schemas that are known: what is not read is passed over, and never made an object. */
final class AvroBody {
    private final byte[] data;
    private int at;

    AvroBody(byte[] data, int start) {
        this.data = data;
        this.at = start;
    }

    long readLong() {
        long encoded = 0;
        int shift = 0;
        byte next;
        do {
            next = data[at++];
            encoded |= (next & 0x7fL) << shift;
            shift += 7;
        } while (next < 0);
        return (encoded >>> 1) ^ -(encoded & 1);
    }

    String readString() {
        int length = (int) readLong();
        String text = new String(data, at, length, StandardCharsets.UTF_8);
        at += length;
        return text;
    }

    void skipLong() {
        while (data[at++] < 0) {
            // the last byte of a number has its top bit clear
        }
    }

    void skipString() {
        int length = (int) readLong();
        at += length;
    }

    /** How many items the next block of an array has; 0 is the array's end. */
    int readBlock() {
        long count = readLong();
        if (count < 0) {
            skipLong(); // the block's size in bytes
            count = -count;
        }
        return Math.toIntExact(count);
    }
}
