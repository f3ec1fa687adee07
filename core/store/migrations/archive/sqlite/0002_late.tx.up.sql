-- Events that were committed after one with a higher id, which top names. Both
-- seq and top rise.
CREATE TABLE late_events (
    seq INTEGER PRIMARY KEY,
    id  INTEGER NOT NULL UNIQUE,
    top INTEGER NOT NULL
)

--bun:split

-- The plugin that emitted the event.
ALTER TABLE events ADD COLUMN via TEXT NOT NULL DEFAULT ''
