CREATE TABLE settings (
    key   text NOT NULL PRIMARY KEY,
    value text NOT NULL
)

--bun:split

CREATE TABLE group_sets (
    id      integer PRIMARY KEY,
    members text NOT NULL UNIQUE
)

--bun:split

INSERT INTO group_sets (id, members) VALUES (1, '1')
