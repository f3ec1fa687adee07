CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID

--bun:split

CREATE TABLE group_sets (
    id      INTEGER PRIMARY KEY,
    members TEXT NOT NULL UNIQUE
)

--bun:split

INSERT INTO group_sets (id, members) VALUES (1, '1')
