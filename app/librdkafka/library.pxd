# cython: language_level=3
# librdkafka, as confluent-kafka has loaded it.
from libc.stdint cimport int32_t, int64_t

cdef extern from "dlfcn.h" nogil:
    void* dlopen(const char* path, int flags)
    void* dlsym(void* library, const char* name)
    int RTLD_LAZY, RTLD_NOLOAD

cdef extern from *:
    """
    #include <stdint.h>
    typedef struct {  /* rd_kafka_message_t of rdkafka.h */
        int err; void* rkt; int32_t partition; void* payload; size_t len; void* key; size_t key_len; int64_t offset;
        void* opaque;
    } message_t;
    typedef struct { PyObject_HEAD void* rk; } client_t;
    """
    ctypedef struct message_t:
        int err
        void* rkt
        int32_t partition
        void* payload
        size_t len
        void* key
        size_t key_len
        int64_t offset
    ctypedef struct client_t:
        void* rk

cdef enum:
    KNOWN_SIZE = 176  # of a client of confluent-kafka 2.16


cdef inline void* opened(object kind) except NULL:
    """The library, if clients of this kind have the layout that is known."""
    from confluent_kafka import cimpl
    if kind.__basicsize__ != KNOWN_SIZE:
        raise ImportError("a client of this version is not known here")
    cdef void* library = dlopen(cimpl.__file__.encode(), RTLD_LAZY | RTLD_NOLOAD)
    if library == NULL:
        raise ImportError("the client's library is not where it was loaded from")
    return library


cdef inline void* function(void* library, str name) except NULL:
    cdef void* found = dlsym(library, name.encode())
    if found == NULL:
        raise ImportError(f"the client's library has no {name}")
    return found
