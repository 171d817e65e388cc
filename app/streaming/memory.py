"""The memory that the state of one process may take, shared by all of its stores and tables."""

from rocksdict import BlockBasedOptions, Cache, DataBlockIndexType, Options, WriteBufferManager

BLOOM_BITS = 10
FILES_AT_TOP = 8  # with 4, the default, rows are rewritten oftener, for no faster reads
WINDOW, DELETED_OF_WINDOW = 8_192, 4_096


class StateMemory:
    """One budget: seven sixteenths of it for rows in memory, half as much for those beyond that, which must be written
    before they can be let go of, a quarter for RocksDB, and the rest for the copies of rows that are on their way to
    the brokers. A row is found in memory ten times as fast as in RocksDB.

    An eighth of RocksDB's part is for memtables, which are filled whatever there is to write. They are charged to the
    block cache, and so are indexes and filters: what RocksDB holds stays within its part, however many stores and keys
    there are. A budget is a bound, not a reservation.
    """

    def __init__(self, limit_mb: int) -> None:
        limit = limit_mb << 20
        self.rows = limit * 7 // 16
        self._memtables = limit // 32
        self._cache = Cache(limit // 4)
        self._manager = WriteBufferManager.new_write_buffer_manager_with_cache(self._memtables, False, self._cache)

    def options(self) -> Options:
        """What a store is opened with."""
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_manager(self._manager)
        options.set_write_buffer_size(max(1 << 20, self._memtables // 4))
        options.set_max_write_buffer_number(2)
        options.set_memtable_whole_key_filtering(True)
        options.set_memtable_prefix_bloom_ratio(0.02)
        options.set_block_based_table_factory(self._blocks())
        options.set_level_zero_file_num_compaction_trigger(FILES_AT_TOP)
        options.set_keep_log_file_num(2)
        options.set_max_open_files(512)
        # rows that come and go, such as timers and parked records, would leave a scan nothing but tombstones to read
        options.add_compact_on_deletion_collector_factory(WINDOW, DELETED_OF_WINDOW, 0.5)
        return options

    def _blocks(self) -> BlockBasedOptions:
        blocks = BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_cache_index_and_filter_blocks(True)
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
        blocks.set_bloom_filter(BLOOM_BITS, False)
        blocks.set_data_block_index_type(DataBlockIndexType.binary_and_hash())
        blocks.set_format_version(5)
        return blocks
