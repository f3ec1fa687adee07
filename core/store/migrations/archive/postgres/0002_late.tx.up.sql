-- Events that were committed after one with a higher id, which top names. Both
-- seq and top rise.
CREATE TABLE late_events (
    seq bigint PRIMARY KEY,
    id  bigint NOT NULL UNIQUE,
    top bigint NOT NULL
)

--bun:split

-- The plugin that emitted the event.
ALTER TABLE events ADD COLUMN via text NOT NULL DEFAULT ''
