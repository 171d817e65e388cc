-- Of all that there is: below this number nothing will come any more once no transaction in progress is older.
alter table events add column xid xid8 not null default '0';
comment on column events.xid is 'The transaction of the append. With (order_id, version) the order of all events.';
alter table events alter column xid set default pg_current_xact_id();
update events e set xid = o.xid
from (select aggregateid, version, min(xid) as xid from outbox group by aggregateid, version) o
where (o.aggregateid, o.version) = (e.order_id, e.version);
create unique index events_in_order on events (xid, order_id, version);
