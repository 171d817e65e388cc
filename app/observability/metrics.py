"""Every metric of the product: its name, labels and unit in one place. `exposition()` is what `/metrics` answers.

`group` is a consumer group, `partition` a task's number in it. Labels never hold ids of orders, customers or events.
"""

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

# the command API and the gateway to the views
HTTP_REQUESTS = Counter("orderflow_http_requests_total", "Requests answered.", ("route", "method", "status"))
HTTP_SECONDS = Histogram("orderflow_http_request_seconds", "Time to answer.", ("route",), buckets=_FAST)
COMMANDS = Counter("orderflow_commands_total", "Commands decided, by outcome.", ("command", "outcome"))
VIEW_READS = Counter("orderflow_view_reads_total", "Reads of views, by outcome.", ("view", "outcome"))

# the event store and its relay
APPEND_BATCH = Histogram("orderflow_append_batch_commands", "Commands in one append statement.", buckets=_SIZES)
APPEND_SECONDS = Histogram("orderflow_append_seconds", "Time of one append statement.", buckets=_FAST)
RESULTS_EXPIRED = Counter("orderflow_command_results_expired_total", "Results of commands removed by age.")
RELAYED = Counter("orderflow_relay_events_total", "Events published from the outbox.", ("shard",))
RELAY_LAG = Gauge("orderflow_relay_lag_seconds", "Age of the oldest outbox row not yet published.", ("shard",))
RELAY_BACKLOG = Gauge("orderflow_relay_backlog_rows", "Outbox rows not yet published, 100,000 at most.", ("shard",))
RELAY_WATERMARK = Gauge(
    "orderflow_relay_watermark_age_seconds",
    "Age of the oldest transaction that writes, which the relay waits for.",
    ("pid",),
)
RELAY_BLOCKED = Gauge("orderflow_relay_blocked_aggregates", "Aggregates that wait behind a refused row.", ("shard",))
CAPTURE_ACTIVE = Gauge("orderflow_cdc_slot_active", "1 while somebody reads the slot of change data capture.")
CAPTURE_BEHIND = Gauge("orderflow_cdc_slot_behind_bytes", "WAL that is not captured yet.")
CAPTURE_KEPT = Gauge("orderflow_cdc_slot_kept_bytes", "WAL that the slot keeps on the disk.")

# tasks
RECORDS = Counter("orderflow_task_records_total", "Records taken, again after a reset.", ("group", "topic"))
TASK_LAG = Gauge("orderflow_task_lag_records", "Records behind the committed positions.", ("group", "partition"))
CHECKPOINTS = Counter("orderflow_checkpoints_total", "Checkpoints, by outcome.", ("group", "outcome"))
CHECKPOINT_SECONDS = Histogram("orderflow_checkpoint_seconds", "Time of one checkpoint.", ("group",), buckets=_FAST)
RESETS = Counter("orderflow_task_resets_total", "Starts from the last checkpoint, by cause.", ("group", "cause"))
RESTORED = Counter("orderflow_restored_records_total", "Rows written to restore tables.", ("group",))
RESTORE_LEFT = Gauge("orderflow_restore_left_records", "Changelog records still to restore.", ("group", "partition"))
RESTORE_RATE = Gauge("orderflow_restore_records_per_second", "Pace of a restore.", ("group", "partition"))
RESTORE_LEFT_SECONDS = Gauge("orderflow_restore_left_seconds", "Time to the end of a restore.", ("group", "partition"))
STANDBY_LAG = Gauge("orderflow_standby_lag_records", "Changelog records that a copy lacks.", ("group", "partition"))
TROUBLES = Counter("orderflow_troubles_total", "What held up a task or the worker, by error.", ("group", "error"))
READY = Gauge("orderflow_worker_ready", "1 while the worker is a member and all of its tasks are active.", ("group",))
TIMERS = Gauge("orderflow_timers_pending", "Timers set and not yet fired.", ("group", "partition"))

# failures
RETRIES = Counter("orderflow_records_retried_total", "Records sent to a retry topic.", ("group", "delay_ms"))
DEAD_LETTERS = Counter("orderflow_dead_letters_total", "Records sent to the DLQ.", ("group", "reason"))
OPEN_LETTERS = Gauge(
    "orderflow_open_dead_letters", "Letters that are dead or under way, by the API.", ("group", "reason", "state")
)
OLDEST_LETTER = Gauge(
    "orderflow_oldest_dead_letter_timestamp_seconds", "When the oldest dead letter died.", ("group", "reason")
)
PARKED = Gauge("orderflow_parked_records", "Records parked behind an earlier failure.", ("group", "partition"))
BLOCKED = Gauge(
    "orderflow_blocked_keys", "Keys that wait, for a retry or an operator.", ("group", "partition", "waits")
)
RETRY_DEPTH = Gauge("orderflow_retry_records", "Records that wait for a retry.", ("group", "partition", "delay_ms"))
LATENESS = Histogram("orderflow_retry_lateness_seconds", "How late a due retry was.", ("group",), buckets=_FAST)
OUTAGES = Counter("orderflow_outages_total", "Times that calls failed for so many keys that none was made.", ("group",))
HELD = Gauge("orderflow_task_held", "1 while a task begins nothing new, by why.", ("group", "partition", "state"))

# the outside world
_CALL = ("group", "call")
GATEWAY_CALLS = Counter("orderflow_gateway_calls_total", "Calls to the outside, by outcome.", (*_CALL, "outcome"))
GATEWAY_SECONDS = Histogram("orderflow_gateway_call_seconds", "Time of one call.", _CALL, buckets=_FAST)


def exposition() -> bytes:
    """All metrics of this process as text of `CONTENT_TYPE`."""
    return generate_latest()
