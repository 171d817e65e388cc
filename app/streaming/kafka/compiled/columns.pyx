# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""Takes messages from librdkafka, below the client that confluent-kafka makes of it."""

import weakref
from functools import partial

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

from app.librdkafka.library cimport client_t, function, message_t, opened

from confluent_kafka import Consumer, KafkaError, KafkaException

from app.streaming.kafka.messages import UNREADABLE_HEADERS, MessageIntake, Taken
from app.streaming.record import Record

cdef enum:
    END = -191  # of a partition

cdef:
    void* (*queue_new)(void*) noexcept nogil
    void* (*queue_of_partition)(void*, const char*, int32_t) noexcept nogil
    void (*queue_forward)(void*, void*) noexcept nogil
    void (*queue_destroy)(void*) noexcept nogil
    Py_ssize_t (*consume)(void*, int, message_t**, size_t) noexcept nogil
    void (*message_destroy)(message_t*) noexcept nogil
    const char* (*topic_name)(void*) noexcept nogil
    int64_t (*timestamp)(message_t*, int*) noexcept nogil
    int (*headers_of)(message_t*, void**) noexcept nogil
    int (*header_at)(void*, size_t, const char**, const void**, size_t*) noexcept nogil
    const char* (*error_text)(message_t*) noexcept nogil


cdef int load() except -1:
    global queue_new, queue_of_partition, queue_forward, queue_destroy, consume, message_destroy
    global topic_name, timestamp, headers_of, header_at, error_text
    cdef void* library = opened(Consumer)
    queue_new = <void* (*)(void*) noexcept nogil>function(library, "rd_kafka_queue_new")
    queue_of_partition = <void* (*)(void*, const char*, int32_t) noexcept nogil>function(
        library, "rd_kafka_queue_get_partition")
    queue_forward = <void (*)(void*, void*) noexcept nogil>function(library, "rd_kafka_queue_forward")
    queue_destroy = <void (*)(void*) noexcept nogil>function(library, "rd_kafka_queue_destroy")
    consume = <Py_ssize_t (*)(void*, int, message_t**, size_t) noexcept nogil>function(
        library, "rd_kafka_consume_batch_queue")
    message_destroy = <void (*)(message_t*) noexcept nogil>function(library, "rd_kafka_message_destroy")
    topic_name = <const char* (*)(void*) noexcept nogil>function(library, "rd_kafka_topic_name")
    timestamp = <int64_t (*)(message_t*, int*) noexcept nogil>function(library, "rd_kafka_message_timestamp")
    headers_of = <int (*)(message_t*, void**) noexcept nogil>function(library, "rd_kafka_message_headers")
    header_at = <int (*)(void*, size_t, const char**, const void**, size_t*) noexcept nogil>function(
        library, "rd_kafka_header_get_all")
    error_text = <const char* (*)(message_t*) noexcept nogil>function(library, "rd_kafka_message_errstr")
    return 0


load()


cdef object data(const void* start, size_t size):
    return None if start == NULL else PyBytes_FromStringAndSize(<const char*>start, size)


cdef object headers(message_t* message):
    cdef void* found = NULL
    cdef const char* name
    cdef const void* value
    cdef size_t size, index = 0
    cdef list named = []
    if headers_of(message, &found) != 0:  # it has none
        return ()
    while header_at(found, index, &name, &value, &size) == 0:
        try:
            named.append(((<bytes>name).decode(), data(value, size)))
        except UnicodeDecodeError:
            return UNREADABLE_HEADERS
        index += 1
    return named


@cython.no_gc_clear
cdef class Block:
    """Messages taken together. They are the client's, which cannot end before they were given back."""
    cdef message_t** messages
    cdef Py_ssize_t count
    cdef object client, __weakref__

    def __cinit__(self, client, Py_ssize_t most):
        self.client, self.count = client, 0
        self.messages = <message_t**>malloc(most * sizeof(void*))
        if self.messages == NULL:
            raise MemoryError

    cdef void fill(self, void* queue, int wait_ms, Py_ssize_t most) noexcept nogil:
        cdef Py_ssize_t count = consume(queue, wait_ms, self.messages + self.count, most)
        if count > 0:  # else there is nothing, or the queue is being closed
            self.count += count

    cdef bint holds_ends_alone(self) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(self.count):
            if self.messages[i].err != END:
                return False
        return True

    cdef void give_back(self) noexcept:
        cdef Py_ssize_t i
        for i in range(self.count):
            message_destroy(self.messages[i])
        self.count = 0

    def __dealloc__(self):
        self.give_back()
        free(self.messages)

    def record(self, Py_ssize_t first, Py_ssize_t index):
        """Of those from `first` on, the one at `index`."""
        if not 0 <= first + index < self.count:
            raise IndexError(f"record {index} is not there, or was given back when the intake was closed")
        cdef message_t* message = self.messages[first + index]
        cdef int kind
        return Record(
            name_of(message),
            message.partition,
            message.offset,
            timestamp(message, &kind),
            data(message.key, message.key_len),
            data(message.payload, message.len),
            headers(message),
        )


@cython.no_gc_clear
cdef class ColumnIntake:
    """An `Intake` with a queue of its own, to which the client hands what it fetches.

    Errors of the client itself, which have callbacks of the client's own, stay in its queue and are taken by it.
    """
    cdef object client, others, blocks
    cdef void* queue

    def __cinit__(self, client not None):
        if not isinstance(client, Consumer):
            raise TypeError("it is no consumer of the client")
        self.client, self.others, self.blocks = client, MessageIntake(client), weakref.WeakSet()
        self.queue = queue_new((<client_t*><PyObject*>client).rk)

    def __dealloc__(self):
        if self.queue != NULL:
            queue_destroy(self.queue)

    def add(self, str topic not None, int32_t partition):
        cdef void* queue = queue_of_partition((<client_t*><PyObject*>self.client).rk, topic.encode(), partition)
        if queue == NULL:
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION, f"{topic}[{partition}] has no queue"))
        queue_forward(queue, self.queue)
        queue_destroy(queue)

    def take(self, Py_ssize_t most, double wait_s):
        cdef Block block = Block(self.client, most)
        cdef int left_ms = <int>(wait_s * 1000)
        cdef int64_t until = now_ms() + left_ms
        self.blocks.add(block)
        with nogil:
            block.fill(self.queue, 0, most)
            while left_ms > 0 and block.count < most and block.holds_ends_alone():
                # with a time to wait, the client waits for all that it is asked for: so for the first alone
                block.fill(self.queue, left_ms, 1)
                block.fill(self.queue, 0, most - block.count)
                left_ms = <int>(until - now_ms())
        return self.others.take(most, 0) + self.runs(block)

    cdef list runs(self, Block block):
        """Each of messages of one place that follow each other."""
        cdef message_t** messages = block.messages
        cdef message_t* begin
        cdef Py_ssize_t first, i = 0
        cdef int64_t end
        cdef list keys, values, runs = []
        while i < block.count:
            begin, first, keys, values = messages[i], i, [], []
            topic, end = name_of(begin), begin.offset
            while i < block.count and messages[i].err == 0 and is_same_place(messages[i], begin):
                keys.append(data(messages[i].key, messages[i].key_len))
                values.append(data(messages[i].payload, messages[i].len))
                end = messages[i].offset + 1
                i += 1
            if i < block.count and messages[i].err == END and is_same_place(messages[i], begin):
                end = messages[i].offset
                i += 1
            if i > first:
                runs.append(Taken(topic, begin.partition, begin.offset, end, keys, values, partial(block.record, first)))
            else:
                error = KafkaError(begin.err, error_text(begin).decode(errors="replace"))
                runs.append(Taken(topic, begin.partition, 0, 0, error=error))
                i += 1
        return runs

    def close(self):
        cdef Block block
        for block in list(self.blocks):
            block.give_back()
        queue_destroy(self.queue)
        self.queue = NULL


cdef int64_t now_ms() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1000 + now.tv_nsec // 1_000_000


cdef str name_of(message_t* message):
    return "" if message.rkt == NULL else topic_name(message.rkt).decode()


cdef bint is_same_place(message_t* one, message_t* other) noexcept:
    return one.rkt == other.rkt and one.partition == other.partition
