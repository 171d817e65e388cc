# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""Gives librdkafka rows to send, below the client that confluent-kafka makes of it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport PyObject
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free

from app.librdkafka.library cimport client_t, function, message_t, opened

from confluent_kafka import KafkaError, KafkaException, Producer

cdef enum:
    COPY = 2  # RD_KAFKA_MSG_F_COPY
    QUEUE_FULL = -184

cdef:
    void* (*topic_new)(void*, const char*, void*) noexcept nogil
    void (*topic_destroy)(void*) noexcept nogil
    int (*produce_batch)(void*, int32_t, int, message_t*, int) noexcept nogil


cdef int load() except -1:
    global topic_new, topic_destroy, produce_batch
    cdef void* library = opened(Producer)
    topic_new = <void* (*)(void*, const char*, void*) noexcept nogil>function(library, "rd_kafka_topic_new")
    topic_destroy = <void (*)(void*) noexcept nogil>function(library, "rd_kafka_topic_destroy")
    produce_batch = <int (*)(void*, int32_t, int, message_t*, int) noexcept nogil>function(
        library, "rd_kafka_produce_batch")
    return 0


load()


def send_rows(producer not None, str topic not None, int32_t partition, rows):
    if not isinstance(producer, Producer):
        raise TypeError("it is no producer of the client")
    cdef list sent = list(rows)
    cdef int count = <int>len(sent), i
    cdef message_t* messages = <message_t*>calloc(max(count, 1), sizeof(message_t))
    cdef void* to = topic_new((<client_t*><PyObject*>producer).rk, topic.encode(), NULL)
    cdef bytes key, row
    try:
        if messages == NULL or to == NULL:
            raise MemoryError
        for i in range(count):
            key, row = sent[i]
            messages[i].key, messages[i].key_len = PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)
            if row is not None:
                messages[i].payload, messages[i].len = PyBytes_AS_STRING(row), PyBytes_GET_SIZE(row)
        with nogil:
            produce_batch(to, partition, COPY, messages, count)
        return left_of(sent, messages)
    finally:
        free(messages)
        if to != NULL:
            topic_destroy(to)


cdef object left_of(list sent, message_t* messages):
    """Those that were not taken."""
    cdef list left = []
    cdef Py_ssize_t i
    for i in range(len(sent)):
        if messages[i].err == QUEUE_FULL:
            left.append(sent[i])
        elif messages[i].err:
            raise KafkaException(KafkaError(messages[i].err))
    return left
