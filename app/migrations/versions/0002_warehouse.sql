-- The warehouse. Its functions are called as single autocommit statements; each is one short transaction.
--
-- Locks are taken in one order by all of them, so that they never wait for each other in a circle: first the
-- reservations of one order, by version; then rows of stock, by sku.

create schema warehouse;

create table warehouse.stock (
    sku text collate "C" primary key,
    received bigint not null check (received >= 0),
    reserved bigint not null default 0 check (reserved >= 0),
    available bigint not null generated always as (received - reserved) stored check (available >= 0)
) with (fillfactor = 50);

create table warehouse.receipts (
    receipt_id text primary key,
    received_at timestamptz not null default now()
);

create table warehouse.receipt_lines (
    receipt_id text not null references warehouse.receipts,
    sku text collate "C" not null,
    quantity bigint not null check (quantity > 0),
    primary key (receipt_id, sku)
);

-- One row for each key ever named, so that no key has effect twice, or after it was released.
create table warehouse.reservations (
    order_id text not null,
    order_version bigint not null,
    state text not null check (state in ('reserved', 'refused', 'released', 'voided')),
    reason text not null default '',
    sku text not null default '',
    primary key (order_id, order_version)
) with (fillfactor = 80);

-- What a reservation holds, or held before it was released; a refused one has no lines.
create table warehouse.reservation_lines (
    order_id text not null,
    order_version bigint not null,
    sku text collate "C" not null,
    quantity bigint not null check (quantity > 0),
    primary key (order_id, order_version, sku),
    foreign key (order_id, order_version) references warehouse.reservations
);

create function warehouse.check_quantities(p_quantities bigint[]) returns void language plpgsql as $$
begin
    if exists (select from unnest(p_quantities) as line (quantity) where quantity is null or quantity <= 0) then
        raise invalid_parameter_value using message = 'a quantity is not above zero';
    end if;
end $$;

-- A key that holds other lines than those asked for is a mistake of the caller, who would not get what it asks for.
create function warehouse.check_same_lines(
    p_order_id text, p_order_version bigint, p_skus text[], p_quantities bigint[]
) returns void language plpgsql as $$
begin
    if exists (
        select from (
            select line.sku collate "C" as sku, sum(line.quantity) as quantity
            from unnest(p_skus, p_quantities) as line (sku, quantity) group by 1
        ) w full join (
            select l.sku, l.quantity from warehouse.reservation_lines l
            where l.order_id = p_order_id and l.order_version = p_order_version
        ) l on l.sku = w.sku
        where w.quantity is distinct from l.quantity
    ) then
        raise invalid_parameter_value using message = 'the key was used with other lines';
    end if;
end $$;

-- All lines or none. Answers reserved, refused (the first sku, in order, that is unknown or has too little) or voided;
-- the same to every repetition.
create function warehouse.reserve(
    p_order_id text, p_order_version bigint, p_skus text[], p_quantities bigint[],
    out outcome text, out reason text, out sku text
) language plpgsql as $$
begin
    perform warehouse.check_quantities(p_quantities);

    -- the claim: whoever inserts the key decides it, a concurrent caller waits here until that has committed
    insert into warehouse.reservations (order_id, order_version, state)
    values (p_order_id, p_order_version, 'reserved')
    on conflict do nothing;
    if not found then
        select case r.state when 'released' then 'voided' else r.state end, r.reason, r.sku
        into outcome, reason, sku
        from warehouse.reservations r
        where r.order_id = p_order_id and r.order_version = p_order_version;
        if outcome = 'reserved' then
            perform warehouse.check_same_lines(p_order_id, p_order_version, p_skus, p_quantities);
        end if;
        return;
    end if;

    perform from warehouse.stock s where s.sku = any (p_skus) order by s.sku for no key update;

    select w.sku, case when s.sku is null then 'unknown-sku' else 'out-of-stock' end
    into sku, reason
    from (
        select line.sku collate "C" as sku, sum(line.quantity) as quantity
        from unnest(p_skus, p_quantities) as line (sku, quantity) group by 1
    ) w left join warehouse.stock s on s.sku = w.sku
    where s.sku is null or s.available < w.quantity
    order by w.sku
    limit 1;
    if found then
        outcome := 'refused';
        update warehouse.reservations r
        set state = 'refused', reason = reserve.reason, sku = reserve.sku
        where r.order_id = p_order_id and r.order_version = p_order_version;
        return;
    end if;

    with held as (
        insert into warehouse.reservation_lines (order_id, order_version, sku, quantity)
        select p_order_id, p_order_version, line.sku, sum(line.quantity)
        from unnest(p_skus, p_quantities) as line (sku, quantity) group by line.sku
        returning reservation_lines.sku, reservation_lines.quantity
    )
    update warehouse.stock s set reserved = s.reserved + held.quantity from held where s.sku = held.sku;
    outcome := 'reserved';
end $$;

-- Gives back what the versions hold and voids them all, unknown ones too. Answers those that had been reserved.
create function warehouse.release(p_order_id text, p_order_versions bigint[]) returns bigint[] language plpgsql as $$
begin
    insert into warehouse.reservations (order_id, order_version, state)
    select p_order_id, v, 'voided' from unnest(p_order_versions) as v group by v order by v
    on conflict do nothing;

    perform from warehouse.reservations r
    where r.order_id = p_order_id and r.order_version = any (p_order_versions)
    order by r.order_version for update;

    perform from warehouse.stock s
    where s.sku in (
        select l.sku from warehouse.reservations r join warehouse.reservation_lines l using (order_id, order_version)
        where r.order_id = p_order_id and r.order_version = any (p_order_versions) and r.state = 'reserved'
    ) order by s.sku for no key update;

    update warehouse.stock s set reserved = s.reserved - held.quantity
    from (
        select l.sku, sum(l.quantity) as quantity
        from warehouse.reservations r join warehouse.reservation_lines l using (order_id, order_version)
        where r.order_id = p_order_id and r.order_version = any (p_order_versions) and r.state = 'reserved'
        group by l.sku
    ) held
    where s.sku = held.sku;

    update warehouse.reservations r
    set state = case r.state when 'reserved' then 'released' else 'voided' end
    where r.order_id = p_order_id and r.order_version = any (p_order_versions) and r.state in ('reserved', 'refused');

    return array(
        select r.order_version from warehouse.reservations r
        where r.order_id = p_order_id and r.order_version = any (p_order_versions) and r.state = 'released'
        order by r.order_version
    );
end $$;

-- Takes stock in, once for each receipt: the first lines under its id count. Answers whether it was new.
create function warehouse.receive(p_receipt_id text, p_skus text[], p_quantities bigint[])
returns boolean language plpgsql as $$
begin
    perform warehouse.check_quantities(p_quantities);
    insert into warehouse.receipts (receipt_id) values (p_receipt_id) on conflict do nothing;
    if not found then
        return false;
    end if;
    insert into warehouse.receipt_lines (receipt_id, sku, quantity)
    select p_receipt_id, line.sku, sum(line.quantity)
    from unnest(p_skus, p_quantities) as line (sku, quantity) group by line.sku;

    insert into warehouse.stock (sku, received)
    select l.sku, l.quantity from warehouse.receipt_lines l where l.receipt_id = p_receipt_id order by l.sku
    on conflict (sku) do update set received = stock.received + excluded.received;
    return true;
end $$;
