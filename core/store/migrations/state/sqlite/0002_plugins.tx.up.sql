-- The last revision given to a commit; one row.
CREATE TABLE commits (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
)

--bun:split

INSERT INTO commits (id, revision) VALUES (1, 0)

--bun:split

-- coll is plugin/collection. Ids are bytes, so that both databases order them
-- alike. keys holds the document's index keys, so that they are found when it is
-- replaced. The body is last: a look at the rest need not read its pages.
CREATE TABLE documents (
    coll     TEXT NOT NULL,
    id       BLOB NOT NULL,
    revision INTEGER NOT NULL,
    data     INTEGER NOT NULL,
    "set"    INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    size     INTEGER NOT NULL,
    keys     BLOB NOT NULL,
    body     BLOB NOT NULL,
    PRIMARY KEY (coll, id)
)

--bun:split

-- idx is plugin/collection/index.
CREATE TABLE doc_keys (
    idx   TEXT NOT NULL,
    key   BLOB NOT NULL,
    id    BLOB NOT NULL,
    "set" INTEGER NOT NULL,
    PRIMARY KEY (idx, key, id)
) WITHOUT ROWID

--bun:split

CREATE TABLE doc_unique (
    idx   TEXT NOT NULL,
    key   BLOB NOT NULL,
    id    BLOB NOT NULL,
    "set" INTEGER NOT NULL,
    PRIMARY KEY (idx, key)
) WITHOUT ROWID

--bun:split

-- Indexes that hold the keys of all documents, and how they were defined.
CREATE TABLE doc_indexes (
    idx  TEXT NOT NULL PRIMARY KEY,
    coll TEXT NOT NULL,
    def  TEXT NOT NULL
) WITHOUT ROWID

--bun:split

CREATE TABLE counters (
    plugin TEXT NOT NULL,
    name   TEXT NOT NULL,
    value  INTEGER NOT NULL,
    PRIMARY KEY (plugin, name)
) WITHOUT ROWID

--bun:split

-- Sums over the rows of a plugin, changed in the same transaction.
CREATE TABLE plugin_usage (
    plugin       TEXT NOT NULL PRIMARY KEY,
    documents    INTEGER NOT NULL,
    bytes        INTEGER NOT NULL,
    data         INTEGER NOT NULL,
    letters      INTEGER NOT NULL,
    letter_bytes INTEGER NOT NULL
) WITHOUT ROWID

--bun:split

CREATE TABLE topics (
    name     TEXT NOT NULL PRIMARY KEY,
    plugin   TEXT NOT NULL,
    revision INTEGER NOT NULL
) WITHOUT ROWID

--bun:split

CREATE TABLE topic_members (
    topic       TEXT NOT NULL,
    "user"      TEXT NOT NULL,
    client      TEXT NOT NULL,
    may_publish BOOLEAN NOT NULL,
    PRIMARY KEY (topic, "user", client)
) WITHOUT ROWID

--bun:split

-- topics is a JSON list of names.
CREATE TABLE topic_aliases (
    name     TEXT NOT NULL PRIMARY KEY,
    plugin   TEXT NOT NULL,
    revision INTEGER NOT NULL,
    topics   TEXT NOT NULL
) WITHOUT ROWID

--bun:split

CREATE TABLE timers (
    plugin   TEXT NOT NULL,
    name     TEXT NOT NULL,
    revision INTEGER NOT NULL,
    due      INTEGER NOT NULL,
    every    INTEGER NOT NULL,
    data     BLOB NOT NULL,
    PRIMARY KEY (plugin, name)
)

--bun:split

CREATE TABLE archive_cursors (
    plugin TEXT NOT NULL PRIMARY KEY,
    id     INTEGER NOT NULL,
    late   INTEGER NOT NULL
) WITHOUT ROWID

--bun:split

CREATE TABLE plugin_state (
    plugin TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (plugin, key)
)

--bun:split

CREATE TABLE dead_letters (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    plugin  TEXT NOT NULL,
    version TEXT NOT NULL,
    at      INTEGER NOT NULL,
    op      TEXT NOT NULL,
    event   INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    subject TEXT NOT NULL,
    error   TEXT NOT NULL,
    output  TEXT NOT NULL,
    detail  TEXT NOT NULL,
    xml     TEXT NOT NULL
)

--bun:split

CREATE INDEX dead_letters_plugin ON dead_letters (plugin)

--bun:split

CREATE TABLE plugin_settings (
    name  TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name, key)
) WITHOUT ROWID
