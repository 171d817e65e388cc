create table snapshots (
    order_id uuid primary key,
    version int not null check (version > 0),
    schema text not null,
    state bytea not null,
    kept_at timestamptz not null default now()
);
comment on table snapshots is
    'Orders as their first `version` events made them, so that a read need not go through all of these. Any row may be deleted.';
