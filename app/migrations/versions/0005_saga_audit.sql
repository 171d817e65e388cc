create schema sagas;

create table sagas.audit (
    number bigint generated always as identity unique,
    id uuid primary key,
    at timestamptz not null default now(),
    who text not null,
    action text not null check (action in ('retry', 'skip', 'resolve')),
    order_id uuid not null,
    step text not null,
    reason text not null
);
comment on table sagas.audit is
    'What operators asked of sagas, written before it is sent: a row is added for each, and never changed.';

create function sagas.refuse_change() returns trigger
language plpgsql as $$
begin
    raise exception using message = 'sagas.' || tg_table_name || ' is never changed: rows are only added';
end
$$;
create trigger append_only before update or delete or truncate on sagas.audit
for each statement execute function sagas.refuse_change();
