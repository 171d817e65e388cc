create table outbox_blocked (
    aggregateid uuid primary key,
    shard int not null,
    xid xid8 not null,
    seq bigint not null,
    retry_count int not null default 0,
    last_error text not null,
    next_attempt_at timestamptz not null,
    blocked_at timestamptz not null default now()
);
comment on table outbox_blocked is
    'Aggregates whose rows wait because Kafka refuses one: published up to (xid, seq), whatever the position of the shard.';
create index on outbox_blocked (shard, next_attempt_at);
