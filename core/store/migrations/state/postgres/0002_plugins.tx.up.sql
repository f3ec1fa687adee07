-- The last revision given to a commit; one row.
CREATE TABLE commits (
    id       bigint PRIMARY KEY CHECK (id = 1),
    revision bigint NOT NULL
)

--bun:split

INSERT INTO commits (id, revision) VALUES (1, 0)

--bun:split

-- The last commit of each server that runs, by which it learns what became of a
-- commit whose answer it did not get.
CREATE TABLE commit_marks (
    session  text PRIMARY KEY,
    revision bigint NOT NULL,
    seen     bigint NOT NULL
)

--bun:split

-- coll is plugin/collection. Ids are bytes, so that both databases order them
-- alike. keys holds the document's index keys, so that they are found when it is
-- replaced. The body is last: a look at the rest need not read its pages.
CREATE TABLE documents (
    coll     text COLLATE "C" NOT NULL,
    id       bytea NOT NULL,
    revision bigint NOT NULL,
    data     bigint NOT NULL,
    "set"    integer NOT NULL,
    modified bigint NOT NULL,
    size     bigint NOT NULL,
    keys     bytea NOT NULL,
    body     bytea NOT NULL,
    PRIMARY KEY (coll, id)
)

--bun:split

-- idx is plugin/collection/index.
CREATE TABLE doc_keys (
    idx   text COLLATE "C" NOT NULL,
    key   bytea NOT NULL,
    id    bytea NOT NULL,
    "set" integer NOT NULL,
    PRIMARY KEY (idx, key, id)
)

--bun:split

CREATE TABLE doc_unique (
    idx   text COLLATE "C" NOT NULL,
    key   bytea NOT NULL,
    id    bytea NOT NULL,
    "set" integer NOT NULL,
    PRIMARY KEY (idx, key)
)

--bun:split

-- Indexes that hold the keys of all documents, and how they were defined.
CREATE TABLE doc_indexes (
    idx  text COLLATE "C" NOT NULL PRIMARY KEY,
    coll text COLLATE "C" NOT NULL,
    def  text COLLATE "C" NOT NULL
)

--bun:split

CREATE TABLE counters (
    plugin text COLLATE "C" NOT NULL,
    name   text COLLATE "C" NOT NULL,
    value  bigint NOT NULL,
    PRIMARY KEY (plugin, name)
)

--bun:split

-- Sums over the rows of a plugin, changed in the same transaction.
CREATE TABLE plugin_usage (
    plugin       text COLLATE "C" NOT NULL PRIMARY KEY,
    documents    bigint NOT NULL,
    bytes        bigint NOT NULL,
    data         bigint NOT NULL,
    letters      bigint NOT NULL,
    letter_bytes bigint NOT NULL
)

--bun:split

CREATE TABLE topics (
    name     text COLLATE "C" NOT NULL PRIMARY KEY,
    plugin   text COLLATE "C" NOT NULL,
    revision bigint NOT NULL
)

--bun:split

CREATE TABLE topic_members (
    topic       text COLLATE "C" NOT NULL,
    "user"      text COLLATE "C" NOT NULL,
    client      text COLLATE "C" NOT NULL,
    may_publish boolean NOT NULL,
    PRIMARY KEY (topic, "user", client)
)

--bun:split

-- topics is a JSON list of names.
CREATE TABLE topic_aliases (
    name     text COLLATE "C" NOT NULL PRIMARY KEY,
    plugin   text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    topics   text NOT NULL
)

--bun:split

CREATE TABLE timers (
    plugin   text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    due      bigint NOT NULL,
    every    bigint NOT NULL,
    data     bytea NOT NULL,
    PRIMARY KEY (plugin, name)
)

--bun:split

CREATE TABLE archive_cursors (
    plugin text COLLATE "C" NOT NULL PRIMARY KEY,
    id     bigint NOT NULL,
    late   bigint NOT NULL
)

--bun:split

CREATE TABLE plugin_state (
    plugin text COLLATE "C" NOT NULL,
    key    text COLLATE "C" NOT NULL,
    value  bytea NOT NULL,
    PRIMARY KEY (plugin, key)
)

--bun:split

CREATE TABLE dead_letters (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin  text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL,
    at      bigint NOT NULL,
    op      text COLLATE "C" NOT NULL,
    event   bigint NOT NULL,
    size    bigint NOT NULL,
    subject text NOT NULL,
    error   text NOT NULL,
    output  text NOT NULL,
    detail  text NOT NULL,
    xml     text NOT NULL
)

--bun:split

CREATE INDEX dead_letters_plugin ON dead_letters (plugin, id)

--bun:split

CREATE TABLE plugin_settings (
    name  text COLLATE "C" NOT NULL,
    key   text COLLATE "C" NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (name, key)
)
