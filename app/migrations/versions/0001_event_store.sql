create table events (
    order_id uuid not null,
    version int not null check (version > 0),
    event_id uuid not null,
    type text not null,
    payload bytea not null,
    appended_at timestamptz not null default now(),
    primary key (order_id, version)
);
comment on table events is 'The source of truth: one stream per order; payload is the value of the Kafka record.';

create table outbox (
    xid xid8 not null default pg_current_xact_id(),
    seq bigint not null generated always as identity,
    id uuid not null,
    aggregatetype text not null default 'orders',
    aggregateid uuid not null,
    version int not null,
    type text not null,
    payload bytea not null,
    ce_time text not null,
    traceparent text not null,
    appended_at timestamptz not null default now(),
    primary key (xid, seq)
);
comment on table outbox is 'What is to be published, in the shape that Debezium''s event router reads; rows are never updated.';
comment on column outbox.xid is 'With seq the order of publication: complete below the oldest transaction in progress.';

create table idempotency (
    command_id uuid primary key,
    order_id uuid not null,
    version int not null,
    fingerprint bytea not null,
    appended_at timestamptz not null default now()
);
comment on table idempotency is 'The result of each command: what a repeat of it is answered.';

create table relay_position (
    shard int primary key,
    xid xid8 not null default '0',
    seq bigint not null default 0,
    published bigint not null default 0,
    saved_at timestamptz not null default now()
);
comment on table relay_position is
    'One row per shard of the outbox, which fixes their number. A copy: the position itself is committed to Kafka.';
insert into relay_position (shard) values (0), (1);

create function outbox_shard(aggregate uuid, shards int) returns int
language sql immutable strict parallel safe
return mod(get_byte(uuid_send(aggregate), 15), shards);

-- Appends many commands, each of another order, sorted by order, in one transaction; a command that cannot be appended
-- leaves the others alone. The e_ arrays hold the first event of each command, in the order of the commands, then all
-- further events, ascending. No rows: all were appended. Else one row per command: appended or replayed (the version after
-- it), reused (the command id belongs to another command), conflict (the version that the order has).
create function append_batch(
    c_command uuid[], c_order uuid[], c_expected int[], c_version int[], c_fingerprint bytea[],
    e_order uuid[], e_version int[], e_id uuid[], e_type text[], e_payload bytea[], e_time text[], e_trace text[]
) returns table (outcome text, version int)
language plpgsql as $$
#variable_conflict use_column
declare
    won uuid[];
    all_won bool;
begin
    -- an older transaction id could place this append before one that it follows
    if pg_current_xact_id_if_assigned() is not null then
        raise exception 'append_batch must be the first write of its transaction';
    end if;

    -- Scalar subqueries stay index probes whatever the statistics say. The primary key is the check of the version:
    -- inserting the first event waits for a rival that is in progress, and does nothing if that one commits.
    with fresh as (
        select * from (
            select c.*,
                (select true from idempotency i where i.command_id = c.command_id) as seen,
                (select true from events v where v.order_id = c.order_id and v.version = c.expected) as preceded
            from unnest(c_command, c_order, c_expected, e_id, e_type, e_payload)
                as c (command_id, order_id, expected, event_id, type, payload)
            where c.command_id is not null
        ) c
        where seen is null and (expected = 0 or preceded)
    ),
    claimed as (
        insert into events (order_id, version, event_id, type, payload)
        select order_id, expected + 1, event_id, type, payload from fresh
        on conflict do nothing
        returning order_id
    )
    select coalesce(array_agg(order_id), '{}') into won from claimed;
    all_won := cardinality(won) = cardinality(c_command);

    if cardinality(won) > 0 then
        if cardinality(e_id) > cardinality(c_command) then
            insert into events (order_id, version, event_id, type, payload)
            select e.order_id, e.version, e.event_id, e.type, e.payload
            from unnest(e_order, e_version, e_id, e_type, e_payload) with ordinality
                as e (order_id, version, event_id, type, payload, nth)
            where nth > cardinality(c_command) and (all_won or e.order_id = any (won));
        end if;
        insert into outbox (aggregateid, version, id, type, payload, ce_time, traceparent)
        select e.*
        from unnest(e_order, e_version, e_id, e_type, e_payload, e_time, e_trace)
            as e (order_id, version, event_id, type, payload, ce_time, traceparent)
        where all_won or e.order_id = any (won);
        insert into idempotency (command_id, order_id, version, fingerprint)
        select c.*
        from unnest(c_command, c_order, c_version, c_fingerprint) as c (command_id, order_id, version, fingerprint)
        where all_won or c.order_id = any (won);
    end if;
    if all_won then
        return;
    end if;

    -- a snapshot of its own: it sees what the rival committed
    return query
    select
        case
            when (c.kept).command_id is null then 'conflict'
            when (c.kept).order_id <> c.order_id or (c.kept).fingerprint <> c.fingerprint then 'reused'
            when c.order_id = any (won) then 'appended'
            else 'replayed'
        end,
        coalesce((c.kept).version, (select max(v.version) from events v where v.order_id = c.order_id), 0)
    from (
        select c.*, (select i from idempotency i where i.command_id = c.command_id) as kept
        from unnest(c_command, c_order, c_fingerprint) with ordinality as c (command_id, order_id, fingerprint, nth)
    ) c
    order by c.nth;
end
$$;

-- An open transaction that wrote something holds back the relay: none may stay open for long.
do $$
declare
    here text := 'alter database ' || quote_ident(current_database());
begin
    execute here || ' set transaction_timeout = ''30s''';
    execute here || ' set idle_in_transaction_session_timeout = ''10s''';
end
$$;
