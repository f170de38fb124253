CREATE TABLE records (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  stream TEXT NOT NULL,        -- session whose journal it comes from, or 'daemon'
  seq INTEGER NOT NULL,        -- grows by one in a stream, without holes
  subject TEXT NOT NULL,       -- session it is about: what queries ask for
  time REAL NOT NULL,          -- unix ms
  kind TEXT NOT NULL,
  disposition TEXT NOT NULL,
  json TEXT NOT NULL,          -- SessionRecord, byte for byte as journaled
  completion TEXT,             -- the same record once its outcome was known, as journaled
  UNIQUE (stream, seq)
);
CREATE INDEX records_by_subject ON records (subject, position);
CREATE INDEX records_by_subject_time ON records (subject, time);
CREATE INDEX records_by_time ON records (time);
CREATE INDEX records_by_disposition ON records (disposition, position);

CREATE TABLE journals (
  session TEXT PRIMARY KEY,
  path TEXT NOT NULL,
  cursor INTEGER NOT NULL DEFAULT 0   -- bytes of the file whose records are in the table above
) WITHOUT ROWID;

CREATE TABLE sessions (
  session TEXT PRIMARY KEY,
  uid INTEGER NOT NULL,        -- the agent's
  owner INTEGER NOT NULL,      -- who asked for it
  state TEXT NOT NULL,
  started REAL NOT NULL,
  ended REAL NOT NULL DEFAULT 0,
  allowed INTEGER NOT NULL DEFAULT 0,
  denied INTEGER NOT NULL DEFAULT 0,
  facts TEXT NOT NULL          -- SessionFacts as JSON
) WITHOUT ROWID;
CREATE INDEX sessions_by_end ON sessions (ended);

CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
