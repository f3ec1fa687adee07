-- Files under data/blobs, by the SHA-256 of their content. refs counts the rows
-- of blob_refs. touched is when somebody last wrote the file or gave it up, in
-- µs; 0: it is the package of a plugin, and nobody has uploaded the same.
CREATE TABLE blobs (
    hash         TEXT NOT NULL PRIMARY KEY,
    size         INTEGER NOT NULL,
    refs         INTEGER NOT NULL,
    touched      INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    name         TEXT NOT NULL
) WITHOUT ROWID

--bun:split

CREATE INDEX blobs_loose ON blobs (touched) WHERE refs = 0

--bun:split

-- Who keeps a file: an owner is any text of the plugin's. Those of the server
-- itself have no plugin. Type and name are those of when it was first kept.
CREATE TABLE blob_refs (
    plugin       TEXT NOT NULL,
    hash         TEXT NOT NULL,
    owner        TEXT NOT NULL,
    size         INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    name         TEXT NOT NULL,
    PRIMARY KEY (plugin, hash, owner)
) WITHOUT ROWID

--bun:split

CREATE INDEX blob_refs_owner ON blob_refs (plugin, owner)

--bun:split

ALTER TABLE plugin_usage ADD COLUMN blobs INTEGER NOT NULL DEFAULT 0

--bun:split

ALTER TABLE plugin_usage ADD COLUMN blob_bytes INTEGER NOT NULL DEFAULT 0
