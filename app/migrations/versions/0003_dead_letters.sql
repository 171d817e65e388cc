create schema dead_letters;

-- The index: what the DLQ topics and the redrive topics say. It may be emptied and filled again at any time.

create table dead_letters.positions (
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    primary key (topic, partition)
);
comment on table dead_letters.positions is 'Up to where each topic is in the index: moved in the transaction that adds its records.';

create table dead_letters.failures (
    id text primary key,
    exception text not null,
    stack text not null,
    topic text not null,
    schema text not null,
    consumer_group text not null
);
comment on table dead_letters.failures is 'Groups of letters that died of the same: id is a hash of all other columns.';

create table dead_letters.letters (
    id text primary key,
    failure text not null,
    state text not null default 'dead' check (state in ('dead', 'redriving', 'resolved', 'discarded', 'replaced')),
    consumer_group text not null,
    dlq_partition int not null,
    dlq_offset bigint not null,
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    origin text not null generated always as (topic || ':' || partition::text || ':' || "offset"::text) stored,
    key bytea,
    reason text not null,
    attempt int not null,
    exception text not null,
    message text not null,
    first_failed_at_ms bigint not null,
    dead_at_ms bigint not null,
    redrives int not null,
    previous text,
    sequence bigint,
    head text,
    left_out bigint not null,
    content bytea not null
);
comment on column dead_letters.letters.origin is 'The record that died, by its place: a record may die again and again, in a letter each time.';
comment on column dead_letters.letters.head is 'Of a record parked behind a dead one: the origin of that one. sequence is its place behind it, from 1.';
comment on column dead_letters.letters.content is 'The whole letter, as MessagePack.';
comment on column dead_letters.letters.state is 'replaced: its record died again, and is in a later letter.';
create index on dead_letters.letters (failure, state);
create index on dead_letters.letters (state, dead_at_ms);
create index on dead_letters.letters (consumer_group, origin, dlq_offset);
create index on dead_letters.letters (consumer_group, head) where head is not null;
-- a key can be longer than what an index takes
create index on dead_letters.letters (sha256(key));

create table dead_letters.submissions (
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    letter text not null,
    run text not null,
    action text not null,
    at_ms bigint not null,
    primary key (topic, partition, "offset")
);
comment on table dead_letters.submissions is 'The records of the redrive topics: which letter was sent, by which run.';
create index on dead_letters.submissions (letter);
create index on dead_letters.submissions (run);

create table dead_letters.outcomes (
    topic text not null,
    partition int not null,
    "offset" bigint not null,
    letter text not null,
    run text not null,
    result text not null,
    at_ms bigint not null,
    primary key (topic, partition, "offset")
);
comment on table dead_letters.outcomes is 'What became of a letter that was sent, as its task committed it.';
create index on dead_letters.outcomes (letter);
create index on dead_letters.outcomes (run);

-- A state follows from all that is known of a letter and of the later letters of its record, in whatever order that came.
create function dead_letters.settle(named text[]) returns void
language sql as $$
    with records as materialized (
        select distinct consumer_group, origin from dead_letters.letters where id = any (named)
    )
    update dead_letters.letters l set state = s.state
    from (
        select a.id, case
            when exists (select from dead_letters.outcomes o where o.letter = a.id and o.result = 'resolved') then 'resolved'
            when exists (select from dead_letters.outcomes o where o.letter = a.id and o.result = 'discarded') then 'discarded'
            when exists (select from dead_letters.outcomes o where o.letter = a.id and o.result = 'dead') then 'replaced'
            when exists (
                select from dead_letters.letters n
                where n.consumer_group = a.consumer_group and n.origin = a.origin and n.dlq_offset > a.dlq_offset
            ) then 'replaced'
            when (select count(*) from dead_letters.submissions b where b.letter = a.id)
                > (select count(*) from dead_letters.outcomes o where o.letter = a.id) then 'redriving'
            else 'dead'
        end as state
        from records join dead_letters.letters a using (consumer_group, origin)
    ) s
    where l.id = s.id and l.state <> s.state
$$;

-- What operators did. Nothing of this can be had from the topics.

create table dead_letters.runs (
    id text primary key,
    at timestamptz not null default now(),
    who text not null,
    why text not null,
    asked text not null,
    rate int not null,
    abort_share float8 not null,
    consumer_groups text[] not null,
    state text not null default 'frozen' check (state in ('frozen', 'running', 'stopped', 'aborted', 'finished'))
);
comment on table dead_letters.runs is 'Campaigns: a set of letters, frozen, and how it is to be sent.';

create table dead_letters.run_letters (
    run text not null references dead_letters.runs,
    place int not null,
    letter text not null,
    action text not null check (action in ('redrive', 'discard')),
    edited bytea,
    primary key (run, place),
    unique (run, letter)
);
comment on column dead_letters.run_letters.edited is 'The letter with another payload, as MessagePack, where an operator has mended it.';

create table dead_letters.notes (
    id bigint primary key generated always as identity,
    at timestamptz not null default now(),
    about text not null,
    who text not null,
    text text not null
);
create index on dead_letters.notes (about);

create table dead_letters.audit (
    id bigint primary key generated always as identity,
    at timestamptz not null default now(),
    who text not null,
    action text not null,
    run text,
    letters text[] not null,
    why text not null,
    detail text not null
);
comment on table dead_letters.audit is 'One row for each action of an operator. Rows are added, never changed.';

create function dead_letters.refuse_change() returns trigger
language plpgsql as $$
begin
    raise exception using message = 'dead_letters.' || tg_table_name || ' is never changed: rows are only added';
end
$$;
create trigger append_only before update or delete or truncate on dead_letters.audit
for each statement execute function dead_letters.refuse_change();
create trigger append_only before update or delete or truncate on dead_letters.notes
for each statement execute function dead_letters.refuse_change();
