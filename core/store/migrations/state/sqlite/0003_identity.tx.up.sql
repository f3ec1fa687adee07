-- Small data of the core, which its owner holds in memory as a whole.
CREATE TABLE records (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
)

--bun:split

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    "user"  TEXT NOT NULL,
    addr    TEXT NOT NULL,
    via     TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    ok      BOOLEAN NOT NULL
)

--bun:split

CREATE INDEX audit_at ON audit (at)

--bun:split

CREATE INDEX audit_user ON audit ("user", id)

--bun:split

CREATE INDEX audit_subject ON audit (subject, id)
