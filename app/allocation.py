"""How a long-running process asks for memory: few of C's arenas, and a collector that seldom looks."""

import ctypes
import gc

M_ARENA_MAX = -8  # malloc.h of glibc
ARENAS = 2
YOUNG, MIDDLE, OLD = 20_000, 20, 20


def share_arenas() -> None:
    """Have all threads allocate from two arenas; called before there are threads.

    By default there are eight to a core, and each keeps the most that its threads once held: the threads of Kafka's
    clients and of RocksDB cost 25 MiB so. No speed is lost, for Python's objects come from elsewhere. Without glibc
    nothing is set.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(M_ARENA_MAX, ARENAS)


def collect_less() -> None:
    """Set Python's collector so that one look at the young objects takes some milliseconds.

    Rows, records, commands and what they hold are free of cycles: to look for some at every 700 new objects, as is the
    default, is a tenth of a catch-up.
    """
    gc.freeze()  # what was imported stays
    gc.set_threshold(YOUNG, MIDDLE, OLD)
