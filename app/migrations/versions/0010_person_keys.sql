create table person_keys (
    id uuid primary key,
    customer_id text not null unique,
    secret bytea not null
);
comment on table person_keys is
    'The only place of these keys: once a row is gone, nobody can read what was sealed with it, wherever that lies.';

create table person_erasures (
    number bigint generated always as identity primary key,
    at timestamptz not null default now(),
    customer_id text not null,
    who text not null,
    key_id uuid
);
comment on table person_erasures is
    'Who was erased at whose word: a row is added for each, and never changed. No key: there was nothing to erase.';

create function refuse_erasure_change() returns trigger
language plpgsql as $$
begin
    raise exception 'person_erasures is never changed: rows are only added';
end
$$;
create trigger append_only before update or delete or truncate on person_erasures
for each statement execute function refuse_erasure_change();
