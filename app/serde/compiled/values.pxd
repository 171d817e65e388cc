# cython: language_level=3
# How raw Avro is read from bytes that nobody vouches for: no step looks past the end of the value.
from libc.string cimport memcpy


cdef extern from "Python.h":
    str PyUnicode_New(Py_ssize_t size, Py_UCS4 most)
    void* PyUnicode_DATA(object text)


cdef struct Cursor:
    const unsigned char* at
    const unsigned char* end
    int levels       # how many levels deeper the value may go
    long long items  # how many items its arrays and maps may still hold
    long long steps  # how many parts may still be read: not every part takes a byte
    long long worth  # of the order lines read so far, in minor units


cdef class Node:
    """One type of a schema; a tree of them reads a value."""
    cdef object read(self, Cursor* c)


cdef int refuse(str why) except -1

cdef long long read_count(Cursor* c) except -1


cdef inline int read_long(Cursor* c, long long* number) except -1:
    """A zigzag varint of at most 64 bits."""
    cdef unsigned long long bits = 0
    cdef unsigned char byte
    cdef int shift = 0
    while c.at < c.end:
        byte = c.at[0]
        c.at += 1
        if shift == 63 and byte > 1:
            break
        bits |= <unsigned long long>(byte & 0x7F) << shift
        if byte < 0x80:
            number[0] = <long long>(bits >> 1) ^ -<long long>(bits & 1)
            return 0
        shift += 7
    number[0] = 0
    return refuse("a number is cut off or has more than 64 bits")


cdef inline const unsigned char* take(Cursor* c, long long size) except NULL:
    """Moves over the next `size` bytes and points to the first of them."""
    if size < 0 or size > c.end - c.at:
        refuse("a part is longer than the bytes that are left")
    c.at += size
    return c.at - size


cdef inline const unsigned char* take_sized(Cursor* c, long long* size) except NULL:
    """The same for bytes that name their number first."""
    read_long(c, size)
    return take(c, size[0])


cdef inline str ascii_text(const unsigned char* start, Py_ssize_t size):
    """The text of bytes that are known to be ASCII."""
    cdef str text = PyUnicode_New(size, 127)
    memcpy(PyUnicode_DATA(text), start, size)
    return text
