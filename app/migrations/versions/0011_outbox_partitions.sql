-- A partition of the outbox is dropped when all of it is published and old. Each has room for 10^12 values of seq, which no
-- one uses up: the next one begins when the sequence is set to its first value.
alter table outbox rename to outbox_0;
alter table outbox_0 rename constraint outbox_pkey to outbox_0_pkey;
alter table outbox_0 alter column seq drop identity;

create table outbox (like outbox_0 including defaults including comments, primary key (xid, seq)) partition by range (seq);
comment on table outbox_0 is null;
comment on table outbox is 'What is to be published, in the shape that Debezium''s event router reads; rows are never updated.';
alter table outbox alter column seq add generated always as identity;
select setval(pg_get_serial_sequence('outbox', 'seq'), (select coalesce(max(seq), 0) + 1 from outbox_0), false);
alter table outbox attach partition outbox_0 for values from (minvalue) to (1000000000000);

-- Change data capture knows the one table, whatever its partitions are.
do $$
begin
    if exists (select from pg_publication_tables where pubname = 'outbox_capture') then
        alter publication outbox_capture set table outbox;
    end if;
end
$$;
alter publication outbox_capture set (publish_via_partition_root = true);
