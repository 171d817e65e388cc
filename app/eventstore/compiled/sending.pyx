# cython: language_level=3, boundscheck=False, wraparound=False, auto_pickle=False
"""Gives librdkafka rows of the outbox to send, below the client that confluent-kafka makes of it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport PyObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free

from app.librdkafka.library cimport client_t, function, opened

from confluent_kafka import KafkaError, Producer

cdef extern from *:
    """
    #include <sys/types.h>
    typedef struct { const char* name; const void* val; ssize_t size; } header_t;
    typedef struct { const void* mem; size_t size; } memory_t;
    typedef struct {  /* rd_kafka_vu_t of rdkafka.h */
        int vtype;
        union { void* rkt; int i; int32_t i32; memory_t mem; header_t header; char _pad[64]; } u;
    } argument_t;
    """
    ctypedef struct header_t:
        const char* name
        const void* val
        ssize_t size
    ctypedef struct memory_t:
        const void* mem
        size_t size
    ctypedef union value_t "__typeof__(((argument_t*)0)->u)":
        void* rkt
        int i
        int32_t i32
        memory_t mem
        header_t header
    ctypedef struct argument_t:
        int vtype
        value_t u

cdef enum:
    RKT = 2  # RD_KAFKA_VTYPE_*
    PARTITION = 3
    VALUE = 4
    KEY = 5
    MSGFLAGS = 7
    HEADER = 9
    COPY = 2  # RD_KAFKA_MSG_F_COPY
    ANY_PARTITION = -1  # the partitioner chooses
    OF_A_ROW = 13  # arguments

cdef:
    void* (*topic_new)(void*, const char*, void*) noexcept nogil
    void (*topic_destroy)(void*) noexcept nogil
    void* (*produce)(void*, const argument_t*, size_t) noexcept nogil
    int (*error_code)(const void*) noexcept nogil
    void (*error_destroy)(void*) noexcept nogil


cdef int load() except -1:
    global topic_new, topic_destroy, produce, error_code, error_destroy
    cdef void* library = opened(Producer)
    topic_new = <void* (*)(void*, const char*, void*) noexcept nogil>function(library, "rd_kafka_topic_new")
    topic_destroy = <void (*)(void*) noexcept nogil>function(library, "rd_kafka_topic_destroy")
    produce = <void* (*)(void*, const argument_t*, size_t) noexcept nogil>function(library, "rd_kafka_produceva")
    error_code = <int (*)(const void*) noexcept nogil>function(library, "rd_kafka_error_code")
    error_destroy = <void (*)(void*) noexcept nogil>function(library, "rd_kafka_error_destroy")
    return 0


load()


cdef class Topic:
    """Where a producer sends the rows of an aggregate type, and the source that their headers name."""

    cdef void* handle
    cdef bytes source

    def __cinit__(self, producer, row):
        self.handle = topic_new((<client_t*><PyObject*>producer).rk, row.topic.encode(), NULL)
        if self.handle == NULL:
            raise MemoryError
        self.source = f"/orderflow/{row.aggregatetype}".encode()

    def __dealloc__(self):
        if self.handle != NULL:
            topic_destroy(self.handle)


def send_rows(producer not None, rows):
    if not isinstance(producer, Producer):
        raise TypeError("it is no producer of the client")
    cdef list sent = list(rows)
    cdef dict topics = {}
    cdef size_t count = len(sent), taken = 0, index
    cdef argument_t* arguments = <argument_t*>calloc(count * OF_A_ROW + 1, sizeof(argument_t))
    cdef void* rk = (<client_t*><PyObject*>producer).rk
    cdef void* failed = NULL
    try:
        if arguments == NULL:
            raise MemoryError
        for index in range(count):
            row = sent[index]
            if not isinstance(row, tuple):
                raise TypeError("it is no row of the outbox")
            topic = topics.get(row[1])
            if topic is None:
                topic = topics[row[1]] = Topic(producer, row)
            fill(&arguments[index * OF_A_ROW], <tuple>row, topic)
        with nogil:  # what the arguments point to, `sent` and `topics` hold
            while taken < count:
                failed = produce(rk, &arguments[taken * OF_A_ROW], OF_A_ROW)
                if failed != NULL:
                    break
                taken += 1
        return taken, None if failed == NULL else KafkaError(error_code(failed))
    finally:
        free(arguments)
        if failed != NULL:
            error_destroy(failed)


cdef int fill(argument_t* at, tuple row, Topic topic) except -1:
    """The arguments of one row: with `OutboxRow.headers`, to the byte."""
    cdef str event_id = row[0], aggregateid = row[2], kind = row[3], ce_time = row[5], traceparent = row[6]
    cdef bytes payload = row[4]
    cdef Py_ssize_t size
    at[0].vtype, at[0].u.rkt = RKT, topic.handle
    at[1].vtype, at[1].u.i32 = PARTITION, ANY_PARTITION
    at[2].vtype, at[2].u.i = MSGFLAGS, COPY
    at[3].vtype, at[3].u.mem.mem = KEY, PyUnicode_AsUTF8AndSize(aggregateid, &size)
    at[3].u.mem.size = size
    at[4].vtype, at[4].u.mem.mem, at[4].u.mem.size = VALUE, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload)
    header(&at[5], "ce_source", PyBytes_AS_STRING(topic.source), PyBytes_GET_SIZE(topic.source))
    header(&at[6], "content-type", "application/avro", 16)
    header(&at[7], "ce_specversion", "1.0", 3)
    text(&at[8], "ce_id", event_id)
    text(&at[9], "ce_type", kind)
    text(&at[10], "ce_time", ce_time)
    text(&at[11], "ce_subject", aggregateid)
    text(&at[12], "traceparent", traceparent)
    return 0


cdef int text(argument_t* at, const char* name, str value) except -1:
    cdef Py_ssize_t size
    cdef const char* data = PyUnicode_AsUTF8AndSize(value, &size)
    header(at, name, data, size)
    return 0


cdef inline void header(argument_t* at, const char* name, const char* value, Py_ssize_t size) noexcept:
    at.vtype, at.u.header.name, at.u.header.val, at.u.header.size = HEADER, name, value, size
