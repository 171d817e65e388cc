create table void_records (
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    order_id uuid not null,
    event_id uuid not null,
    wrong text not null,
    voided_at timestamptz not null default now(),
    primary key (topic, partition, "offset")
);
comment on table void_records is
    'Records that an audit found wrong and a repair has made good: they stay in their topic, and do not count.';
