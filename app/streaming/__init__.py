"""The engine: tasks, tables, checkpoints, timers, retries and parking over Kafka. It knows no order.

Start with `topology` (what is declared), `task` (what runs), `checkpoint` (how effects become durable together) and
`failures` (where a failed record goes). Two ways to run it: `faust` on Kafka, `driver` on in-memory topics.
"""
