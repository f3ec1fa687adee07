CREATE TABLE events (
    id       bigint PRIMARY KEY,
    recv     bigint NOT NULL,
    origin   smallint NOT NULL,
    hops     smallint NOT NULL,
    conn     bigint NOT NULL,
    "user"   text NOT NULL,
    client   text NOT NULL,
    "groups" integer NOT NULL,
    type     text COLLATE "C" NOT NULL,
    how      text NOT NULL,
    uid      text COLLATE "C" NOT NULL,
    time     bigint NOT NULL,
    start    bigint NOT NULL,
    stale    bigint NOT NULL,
    lat      double precision,
    lon      double precision,
    hae      double precision NOT NULL,
    ce       double precision NOT NULL,
    le       double precision NOT NULL,
    callsign text NOT NULL,
    team     text NOT NULL,
    role     text NOT NULL,
    xml      text NOT NULL
)

--bun:split

CREATE INDEX events_uid ON events (uid, id)

--bun:split

CREATE INDEX events_type ON events (type, id)

--bun:split

-- What was received in each hour: the span of ids, their number, their bytes,
-- and by how many ms the time in ids was ahead of the receipt or behind it.
CREATE TABLE event_hours (
    hour   bigint PRIMARY KEY,
    min_id bigint NOT NULL,
    max_id bigint NOT NULL,
    events bigint NOT NULL,
    bytes  bigint NOT NULL,
    ahead  bigint NOT NULL,
    behind bigint NOT NULL
)
