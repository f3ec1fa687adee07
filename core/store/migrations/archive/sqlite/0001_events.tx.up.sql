-- The id is the rowid, so it is the last column of each index already.
-- Small columns stand before the xml: a search need not read its pages.
CREATE TABLE events (
    id       INTEGER PRIMARY KEY,
    recv     INTEGER NOT NULL,
    origin   INTEGER NOT NULL,
    hops     INTEGER NOT NULL,
    conn     INTEGER NOT NULL,
    "user"   TEXT NOT NULL,
    client   TEXT NOT NULL,
    "groups" INTEGER NOT NULL,
    type     TEXT NOT NULL,
    how      TEXT NOT NULL,
    uid      TEXT NOT NULL,
    time     INTEGER NOT NULL,
    start    INTEGER NOT NULL,
    stale    INTEGER NOT NULL,
    lat      REAL,
    lon      REAL,
    hae      REAL NOT NULL,
    ce       REAL NOT NULL,
    le       REAL NOT NULL,
    callsign TEXT NOT NULL,
    team     TEXT NOT NULL,
    role     TEXT NOT NULL,
    xml      TEXT NOT NULL
)

--bun:split

CREATE INDEX events_uid ON events (uid)

--bun:split

CREATE INDEX events_type ON events (type)

--bun:split

-- What was received in each hour: the span of ids, their number, their bytes,
-- and by how many ms the time in ids was ahead of the receipt or behind it.
CREATE TABLE event_hours (
    hour   INTEGER PRIMARY KEY,
    min_id INTEGER NOT NULL,
    max_id INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,
    ahead  INTEGER NOT NULL,
    behind INTEGER NOT NULL
)
