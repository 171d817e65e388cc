package peers;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** MessagePack, as far as a row has it: numbers, texts, nil and arrays, each in its smallest form. */
final class Packed {
    static final int NIL = 0xc0;

    private byte[] data;
    private int at;

    private Packed(byte[] data) {
        this.data = data;
    }

    static Packed reading(byte[] data) {
        return new Packed(data);
    }

    static Packed writing(int size) {
        return new Packed(new byte[size]);
    }

    byte[] toBytes() {
        return at == data.length ? data : Arrays.copyOf(data, at);
    }

    int position() {
        return at;
    }

    byte[] from(int start) {
        return Arrays.copyOfRange(data, start, at);
    }

    boolean skipNil() {
        if ((data[at] & 0xff) != NIL) return false;
        at++;
        return true;
    }

    long readLong() {
        int head = data[at++] & 0xff;
        return switch (head) {
            case 0xcc -> big(1);
            case 0xcd -> big(2);
            case 0xce -> big(4);
            case 0xcf -> big(8);
            default -> {
                if (head > 0x7f) throw new IllegalArgumentException("no number: " + head);
                yield head;
            }
        };
    }

    String readString() {
        int length = readLength(0xa0, 31, 0xd9);
        String text = new String(data, at, length, StandardCharsets.UTF_8);
        at += length;
        return text;
    }

    void skipString() {
        int length = readLength(0xa0, 31, 0xd9);
        at += length;
    }

    void skip(int size) {
        at += size;
    }

    int readArray() {
        return readLength(0x90, 15, 0xdb);
    }

    void writeLong(long value) {
        if (value < 0) throw new IllegalArgumentException("negative: " + value);
        if (value <= 0x7f) writeBig(value, 1);
        else if (value <= 0xff) head(0xcc, value, 1);
        else if (value <= 0xffff) head(0xcd, value, 2);
        else if (value <= 0xffff_ffffL) head(0xce, value, 4);
        else head(0xcf, value, 8);
    }

    void writeString(String text) {
        byte[] encoded = text.getBytes(StandardCharsets.UTF_8);
        int length = encoded.length;
        if (length <= 31) writeBig(0xa0 | length, 1);
        else if (length <= 0xff) head(0xd9, length, 1);
        else head(0xda, length, 2);
        writeRaw(encoded);
    }

    void writeArray(int count) {
        if (count <= 15) writeBig(0x90 | count, 1);
        else head(0xdc, count, 2);
    }

    void writeNil() {
        writeBig(NIL, 1);
    }

    void writeRaw(byte[] bytes) {
        room(bytes.length);
        System.arraycopy(bytes, 0, data, at, bytes.length);
        at += bytes.length;
    }

    /** Lengths up to {@code small} are in the head itself; longer ones behind {@code one}, or the head after it, and so on. */
    private int readLength(int fixed, int small, int one) {
        int head = data[at++] & 0xff;
        if (head >= fixed && head <= fixed + small) return head - fixed;
        if (head == one) return (int) big(1);
        if (head == one + 1) return (int) big(2);
        throw new IllegalArgumentException("no length: " + head);
    }

    private long big(int size) {
        long value = 0;
        for (int index = 0; index < size; index++) value = value << 8 | data[at++] & 0xff;
        return value;
    }

    private void head(int head, long value, int size) {
        writeBig(head, 1);
        writeBig(value, size);
    }

    private void writeBig(long value, int size) {
        room(size);
        for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) data[at++] = (byte) (value >>> shift);
    }

    private void room(int size) {
        if (at + size > data.length) data = Arrays.copyOf(data, Math.max(2 * data.length, at + size));
    }
}
