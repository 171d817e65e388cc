# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, auto_pickle=False
"""Reads Avro values as Python's own types, the same ones that fastavro gives. One class per kind of type.

Work is bounded whatever the bytes say: by the levels, items and steps that a cursor may take, and by the bytes.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcpy

from app.serde.errors import MalformedValueError


cdef int refuse(str why) except -1:
    raise MalformedValueError(f"{why}; mend the producer of the value")


cdef int enter(Cursor* c, Py_ssize_t parts) except -1:
    c.levels -= 1
    c.steps -= parts
    if c.levels < 0 or c.steps < 0:
        refuse("a value is deeper or larger than a value may be")
    return 0


cdef long long read_count(Cursor* c) except -1:
    """How many items the next block of an array or map holds, 0 after the last one."""
    cdef long long count, size
    read_long(c, &count)
    if count < 0:  # a block that names its size in bytes
        read_long(c, &size)
        # the least of all numbers has no opposite
        count = -(count + 1)
        if count >= c.items:
            refuse("a value has more items than a value may have")
        count += 1
    if count > c.items:
        refuse("a value has more items than a value may have")
    c.items -= count
    return count


cdef class Node:
    cdef object read(self, Cursor* c):
        raise NotImplementedError


cdef class Null(Node):
    cdef object read(self, Cursor* c):
        return None


cdef class Boolean(Node):
    cdef object read(self, Cursor* c):
        return take(c, 1)[0] != 0


cdef class Long(Node):
    """An int or a long, both of 64 bits; as a float for a reader of floats."""
    cdef bint as_float

    def __init__(self, bint as_float=False):
        self.as_float = as_float

    cdef object read(self, Cursor* c):
        cdef long long number
        read_long(c, &number)
        return <double>number if self.as_float else number


cdef class Float(Node):
    cdef object read(self, Cursor* c):
        cdef float number
        memcpy(&number, take(c, 4), 4)
        return <double>number


cdef class Double(Node):
    cdef object read(self, Cursor* c):
        cdef double number
        memcpy(&number, take(c, 8), 8)
        return number


cdef class Text(Node):
    """UTF-8; as bytes for a reader of bytes."""
    cdef bint as_bytes

    def __init__(self, bint as_bytes=False):
        self.as_bytes = as_bytes

    cdef object read(self, Cursor* c):
        cdef long long size
        cdef const unsigned char* start = take_sized(c, &size)
        text = PyUnicode_DecodeUTF8(<const char*>start, size, NULL)
        return text.encode() if self.as_bytes else text


cdef class Bytes(Node):
    """Bytes; as a text for a reader of texts."""
    cdef bint as_text

    def __init__(self, bint as_text=False):
        self.as_text = as_text

    cdef object read(self, Cursor* c):
        cdef long long size
        cdef const unsigned char* start = take_sized(c, &size)
        if self.as_text:
            return PyUnicode_DecodeUTF8(<const char*>start, size, NULL)
        return PyBytes_FromStringAndSize(<const char*>start, size)


cdef class Fixed(Node):
    cdef long long size

    def __init__(self, long long size):
        self.size = size

    cdef object read(self, Cursor* c):
        return PyBytes_FromStringAndSize(<const char*>take(c, self.size), self.size)


cdef class Enum(Node):
    """What each symbol is read as; None for one that the reader does not know."""
    cdef tuple symbols

    def __init__(self, tuple symbols):
        self.symbols = symbols

    cdef object read(self, Cursor* c):
        cdef long long index
        read_long(c, &index)
        if index < 0 or index >= len(self.symbols) or self.symbols[index] is None:
            refuse("an enum has a symbol that its readers do not know")
        return self.symbols[index]


cdef class Array(Node):
    cdef Node item

    def __init__(self, Node item not None):
        self.item = item

    cdef object read(self, Cursor* c):
        cdef list items = []
        cdef long long count, i
        enter(c, 1)
        while True:
            count = read_count(c)
            if count == 0:
                break
            for i in range(count):
                items.append(self.item.read(c))
        c.levels += 1
        return items


cdef class Map(Node):
    cdef Node value

    def __init__(self, Node value not None):
        self.value = value

    cdef object read(self, Cursor* c):
        cdef dict values = {}
        cdef long long count, i, size
        cdef const unsigned char* key
        enter(c, 1)
        while True:
            count = read_count(c)
            if count == 0:
                break
            for i in range(count):
                key = take_sized(c, &size)
                values[PyUnicode_DecodeUTF8(<const char*>key, size, NULL)] = self.value.read(c)
        c.levels += 1
        return values


cdef class Union(Node):
    cdef tuple branches

    def __init__(self, tuple branches):
        self.branches = tuple([<Node?>branch for branch in branches])

    cdef object read(self, Cursor* c):
        cdef long long index
        read_long(c, &index)
        if index < 0 or index >= len(self.branches):
            refuse("a union has a branch that its schema lacks")
        return (<Node>self.branches[index]).read(c)


cdef class Record(Node):
    """A dict of the fields; one without a name is read and left out. It is filled later, since it may hold itself."""
    cdef tuple names
    cdef tuple nodes
    cdef dict defaults

    def fill(self, tuple names, tuple nodes, dict defaults):
        if len(names) != len(nodes):
            raise ValueError("a record has a name or None for each node")
        self.names, self.nodes, self.defaults = names, tuple([<Node?>node for node in nodes]), defaults

    cdef object read(self, Cursor* c):
        cdef dict record = {}
        cdef Py_ssize_t i
        enter(c, len(self.nodes) + 1)
        for i in range(len(self.nodes)):
            value = (<Node>self.nodes[i]).read(c)
            if self.names[i] is not None:
                record[self.names[i]] = value
        c.levels += 1
        if self.defaults:
            record.update(self.defaults)
        return record


cdef class Logical(Node):
    """A value as its logical type reads it."""
    cdef Node node
    cdef object convert
    cdef tuple schemas

    def __init__(self, Node node not None, convert, tuple schemas):
        self.node, self.convert, self.schemas = node, convert, schemas

    cdef object read(self, Cursor* c):
        return self.convert(self.node.read(c), *self.schemas)


cdef class Unreadable(Node):
    """What readers of the other schema cannot read."""
    cdef str why

    def __init__(self, str why):
        self.why = why

    cdef object read(self, Cursor* c):
        refuse(self.why)


cdef class Decoder:
    """Reads whole values, within its bounds. `decode` raises nothing but `MalformedValueError`."""
    cdef Node root
    cdef long long items, steps
    cdef int levels

    def __init__(self, Node root not None, *, int levels, long long items, long long steps):
        self.root, self.levels, self.items, self.steps = root, levels, items, steps

    def decode(self, bytes value not None, Py_ssize_t start=0):
        cdef Cursor c
        if start < 0 or start > PyBytes_GET_SIZE(value):
            refuse("a value ends before it begins")
        c.at = <const unsigned char*>PyBytes_AS_STRING(value) + start
        c.end = <const unsigned char*>PyBytes_AS_STRING(value) + PyBytes_GET_SIZE(value)
        c.levels, c.items, c.steps, c.worth = self.levels, self.items, self.steps, 0
        try:
            decoded = self.root.read(&c)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # bad UTF-8, or of a logical type
            raise MalformedValueError(f"{type(error).__name__} {error}; mend the producer of the value") from None
        if c.at != c.end:
            refuse(f"{c.end - c.at} bytes follow the value")
        return decoded
