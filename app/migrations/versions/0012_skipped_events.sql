create table skipped_events (
    order_id uuid not null,
    version int not null,
    event_id uuid not null,
    type text not null,
    payload bytea not null,
    appended_at timestamptz not null,
    xid xid8 not null,
    skipped_at timestamptz not null default now(),
    who text not null,
    reason text not null,
    primary key (order_id, version)
);
comment on table skipped_events is
    'What stood in events before an operator had it skipped: a row is added for each, and never changed.';

create function refuse_skip_change() returns trigger
language plpgsql as $$
begin
    raise exception 'skipped_events is never changed: rows are only added';
end
$$;
create trigger append_only before update or delete or truncate on skipped_events
for each statement execute function refuse_skip_change();
