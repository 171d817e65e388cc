create table publishing (
    one bool primary key default true check (one),
    state text not null default 'relay' check (state in ('relay', 'to_cdc', 'cdc', 'to_relay')),
    relay_from xid8 not null default '0',
    relay_until xid8 not null default '18446744073709551615',
    marker xid8 not null default '0',
    marker_lsn pg_lsn not null default '0/0',
    marked_at timestamptz not null default now()
);
comment on table publishing is
    'Who publishes the outbox. The relay: rows of transactions from relay_from on, below relay_until.';
comment on column publishing.marker is
    'The transaction of the last handover: no append was in progress in it. What is below is of one side, what is above of the other.';
insert into publishing default values;

-- A header of every event, where Debezium finds it.
alter table outbox add column ce_specversion text not null default '1.0';

-- Change data capture publishes what is committed while the outbox is in here, whenever it comes to read it.
create publication outbox_capture with (publish = 'insert');

-- A handover takes this lock for itself, for an instant. Before the insert: an append has no transaction id yet.
create function append_beside_handovers() returns trigger
language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(720005);
    return null;
end
$$;
create trigger append_beside_handovers before insert on events
for each statement execute function append_beside_handovers();
