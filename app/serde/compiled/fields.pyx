# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, auto_pickle=False
"""Reads Avro straight into typed events, each limit of a field checked on its bytes or on the number.

What msgspec and `app.serde.limits` check is checked here in the same pass. A refusal needs no reason: the reference
reads the value again and says it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.long cimport PyLong_AsLongLong
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8

from app.serde.compiled.values cimport Cursor, Node, ascii_text, read_count, read_long, refuse, take_sized

from app.serde.errors import MalformedValueError

cdef extern from "Python.h":
    object PyObject_Vectorcall(object called, PyObject** values, size_t positional, object names)

cdef enum:
    MOST_FIELDS = 64

MAX_FIELDS = MOST_FIELDS

cdef object _NOTHING = object()


cdef class Uuid(Node):
    """A UUID in lower case."""

    cdef object read(self, Cursor* c):
        cdef long long size
        cdef const unsigned char* text = take_sized(c, &size)
        cdef int i, others = 0
        if size != 36 or text[8] != b"-" or text[13] != b"-" or text[18] != b"-" or text[23] != b"-":
            refuse("an id is no UUID")
        for i in range(36):
            # unsigned: what is below the range wraps to above it
            others += <unsigned char>(text[i] - 48) > 9 and <unsigned char>(text[i] - 97) > 5
        if others != 4:
            refuse("an id is no UUID in lower case")
        return ascii_text(text, 36)


cdef class Currency(Node):
    """Three capital letters."""

    cdef object read(self, Cursor* c):
        cdef long long size
        cdef const unsigned char* text = take_sized(c, &size)
        cdef int i
        if size != 3:
            refuse("a currency has three letters")
        for i in range(3):
            if not 65 <= text[i] <= 90:
                refuse("a currency has capital letters")
        return ascii_text(text, 3)


cdef class Printable(Node):
    """A text of some length, in characters, without control characters."""
    cdef long long least, most

    def __init__(self, long long least, long long most):
        self.least, self.most = least, most

    cdef object read(self, Cursor* c):
        cdef long long size, i
        cdef const unsigned char* start = take_sized(c, &size)
        cdef unsigned char others = 0
        cdef Py_UCS4 character
        for i in range(size):
            others |= <unsigned char>(start[i] - 32) > 94
        if not others:
            if not self.least <= size <= self.most:
                refuse("a text is too short or too long")
            return ascii_text(start, size)
        cdef str text = PyUnicode_DecodeUTF8(<const char*>start, size, NULL)
        if not self.least <= len(text) <= self.most:
            refuse("a text is too short or too long")
        for character in text:
            if character < 32 or 127 <= character <= 159:
                refuse("a text has a control character")
        return text


cdef class Number(Node):
    """A whole number within its limits."""
    cdef long long least, most

    def __init__(self, long long least, long long most):
        self.least, self.most = least, most

    cdef object read(self, Cursor* c):
        cdef long long number
        read_long(c, &number)
        if not self.least <= number <= self.most:
            refuse("a number is outside its limits")
        return number


cdef class Items(Node):
    """A tuple of some length."""
    cdef Node item
    cdef long long least, most

    def __init__(self, Node item not None, long long least, long long most):
        self.item, self.least, self.most = item, least, most

    cdef object read(self, Cursor* c):
        cdef list items = []
        cdef long long count, i
        while True:
            count = read_count(c)
            if count == 0:
                break
            for i in range(count):
                items.append(self.item.read(c))
        if not self.least <= len(items) <= self.most:
            refuse("too few or too many items")
        return tuple(items)


cdef class Ignored(Node):
    """A field that the type lacks."""
    cdef Node node

    def __init__(self, Node node not None):
        self.node = node

    cdef object read(self, Cursor* c):
        self.node.read(c)
        return _NOTHING


cdef class Given(Node):
    """A field that the writer lacks, by its default."""
    cdef object value

    def __init__(self, value):
        self.value = value

    cdef object read(self, Cursor* c):
        return self.value


cdef class Struct(Node):
    """A msgspec Struct, called with the fields that were read."""
    cdef object called
    cdef tuple names, nodes

    def __init__(self, called, tuple names, tuple nodes):
        kept = [node for node in nodes if not isinstance(<Node?>node, Ignored)]
        if len(kept) > MOST_FIELDS or len(kept) != len(names):
            raise ValueError(f"at most {MOST_FIELDS} nodes give a value to a name each, not {len(kept)}")
        self.called, self.names, self.nodes = called, names, nodes

    cdef int check(self, PyObject** values, Cursor* c) except -1:
        return 0

    cdef object read(self, Cursor* c):
        cdef PyObject* values[MOST_FIELDS]
        cdef Py_ssize_t i, count = 0
        try:
            for i in range(len(self.nodes)):
                value = (<Node>self.nodes[i]).read(c)
                if value is not _NOTHING:
                    Py_INCREF(value)
                    values[count] = <PyObject*>value
                    count += 1
            self.check(values, c)
            return PyObject_Vectorcall(self.called, values, 0, self.names)
        finally:
            for i in range(count):
                Py_DECREF(<object>values[i])


cdef class Line(Struct):
    """A line of an order: the worth of all lines of an event is limited too."""
    cdef Py_ssize_t quantity, price
    cdef long long most

    def __init__(self, called, tuple names, tuple nodes, Py_ssize_t quantity, Py_ssize_t price, long long most):
        """`quantity` and `price` are places in `names`."""
        Struct.__init__(self, called, names, nodes)
        if not (0 <= quantity < len(names) and 0 <= price < len(names)):
            raise ValueError("a line has a quantity and a price")
        self.quantity, self.price, self.most = quantity, price, most

    cdef int check(self, PyObject** values, Cursor* c) except -1:
        cdef long long quantity = PyLong_AsLongLong(<object>values[self.quantity])
        cdef long long price = PyLong_AsLongLong(<object>values[self.price])
        if quantity < 0 or price < 0 or (price > 0 and quantity > (self.most - c.worth) // price):
            refuse("items are worth too much")
        c.worth += quantity * price
        return 0


cdef class EventDecoder:
    """Reads the values of one schema as events; the reference decides about what is refused here."""
    cdef Node root
    cdef Py_ssize_t start
    cdef int levels
    cdef long long items, steps
    cdef object reference

    def __init__(self, Node root not None, Py_ssize_t start, reference, *, int levels, long long items, long long steps):
        self.root, self.start, self.reference = root, start, reference
        self.levels, self.items, self.steps = levels, items, steps

    def decode(self, bytes value not None):
        cdef Cursor c
        c.at = <const unsigned char*>PyBytes_AS_STRING(value) + self.start
        c.end = <const unsigned char*>PyBytes_AS_STRING(value) + PyBytes_GET_SIZE(value)
        c.levels, c.items, c.steps, c.worth = self.levels, self.items, self.steps, 0
        if PyBytes_GET_SIZE(value) >= self.start:
            try:
                event = self.root.read(&c)
                if c.at == c.end:
                    return event
            except (MalformedValueError, ArithmeticError, LookupError, TypeError, ValueError):
                pass
        return self.reference(value)
