-- Small data of the core, which its owner holds in memory as a whole.
CREATE TABLE records (
    kind text COLLATE "C" NOT NULL,
    id   text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (kind, id)
)

--bun:split

CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      bigint NOT NULL,
    "user"  text COLLATE "C" NOT NULL,
    addr    text COLLATE "C" NOT NULL,
    via     text COLLATE "C" NOT NULL,
    action  text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    detail  text NOT NULL,
    ok      boolean NOT NULL
)

--bun:split

CREATE INDEX audit_at ON audit (at)

--bun:split

CREATE INDEX audit_user ON audit ("user", id)

--bun:split

CREATE INDEX audit_subject ON audit (subject, id)
