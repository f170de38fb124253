// The schema of the daemon's database, version by version. Never edited, only appended to.

export const migrations: readonly string[] = [
  `
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
  `,
  `
  -- What was recorded before becomes entries when the log is opened (convert.ts); then this table goes.
  ALTER TABLE records RENAME TO records_of_schema_1;
  DROP INDEX records_by_subject;
  DROP INDEX records_by_subject_time;
  DROP INDEX records_by_time;
  DROP INDEX records_by_disposition;

  -- Append-only. Position minus the log's base is the index of its leaf.
  CREATE TABLE entries (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,        -- session whose journal it comes from, or 'daemon'
    seq INTEGER NOT NULL,        -- grows by one in a stream
    part INTEGER NOT NULL,       -- 0: the record; 1: its outcome, which came later
    settled INTEGER NOT NULL,    -- 1: the event has its outcome
    subject TEXT NOT NULL,       -- session it is about: what queries ask for
    time REAL NOT NULL,          -- unix ms
    class TEXT NOT NULL,         -- RecordClass
    disposition TEXT NOT NULL,
    leaf BLOB NOT NULL,          -- RFC 6962 leaf hash of the event
    chain BLOB NOT NULL,         -- SHA-256(chain of the entry before, leaf)
    event TEXT                   -- canonical OCSF; NULL when pruned
  );
  CREATE UNIQUE INDEX entries_by_id ON entries (stream, seq, part);
  CREATE INDEX entries_by_subject ON entries (subject);
  CREATE INDEX entries_by_time ON entries (time);
  CREATE INDEX entries_denied ON entries (position) WHERE disposition IN ('denied', 'would-deny');

  CREATE INDEX entries_gaps ON entries (position) WHERE class = 'gap';

  -- One log after the other; more than one only after what was signed and what is kept did not agree.
  CREATE TABLE logs (
    number INTEGER PRIMARY KEY,
    origin TEXT NOT NULL,
    public_key BLOB NOT NULL,    -- of its checkpoints
    base INTEGER NOT NULL,       -- position of its first entry
    size INTEGER NOT NULL,       -- entries it has
    chain BLOB NOT NULL,         -- of its last entry
    records INTEGER NOT NULL DEFAULT 0,  -- entries without outcomes that came later
    denied INTEGER NOT NULL DEFAULT 0,   -- of these
    signed_size INTEGER NOT NULL DEFAULT 0,
    signed_root BLOB NOT NULL,
    reason TEXT NOT NULL         -- why it began
  );

  -- Roots of whole tiles: index i of level n covers the leaves from i * 256**n on, 256**n of them. Level 0 is entries.
  CREATE TABLE tiles (
    log INTEGER NOT NULL,
    level INTEGER NOT NULL,
    position INTEGER NOT NULL,   -- index in its level
    hash BLOB NOT NULL,
    PRIMARY KEY (log, level, position)
  ) WITHOUT ROWID;

  CREATE TABLE checkpoints (
    log INTEGER NOT NULL,
    size INTEGER NOT NULL,
    time REAL NOT NULL,          -- unix ms, when it was signed
    note TEXT NOT NULL,          -- C2SP signed note, with cosignatures of witnesses
    PRIMARY KEY (log, size)
  ) WITHOUT ROWID;

  -- What each sink has confirmed.
  CREATE TABLE sinks (
    sink TEXT PRIMARY KEY,
    position INTEGER NOT NULL,   -- entries up to and with this one
    time REAL NOT NULL
  ) WITHOUT ROWID;
  `,
  `
  -- The index of the log (segments.ts): made of it, and made again when it is missing.
  CREATE TABLE segments (
    segment INTEGER PRIMARY KEY,
    earliest REAL NOT NULL,      -- unix ms, of its records
    latest REAL NOT NULL
  );
  CREATE TABLE postings (
    segment INTEGER NOT NULL,
    term INTEGER NOT NULL,       -- 53 bits of a hash
    offsets BLOB NOT NULL,       -- in the segment: a list of u16 LE, or 2,048 bytes of bits
    PRIMARY KEY (segment, term)
  ) WITHOUT ROWID;
  `,
  `
  -- Tokens that were given out. Databases that knew tokens before they were of a version have these tables already.
  CREATE TABLE IF NOT EXISTS tokens (
    jti TEXT PRIMARY KEY,
    idx INTEGER NOT NULL UNIQUE,  -- place in the status list
    session TEXT NOT NULL,
    agent TEXT NOT NULL,
    digest TEXT NOT NULL,         -- of the policy it was minted under
    audience TEXT NOT NULL,
    parent TEXT NOT NULL,         -- '' for none
    details TEXT NOT NULL,
    purpose TEXT NOT NULL,
    iat INTEGER NOT NULL,         -- seconds
    exp INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    used INTEGER NOT NULL,
    revoked REAL NOT NULL,        -- unix ms; 0 = not
    why TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS tokens_by_session ON tokens (session, exp);
  CREATE INDEX IF NOT EXISTS tokens_by_parent ON tokens (parent);
  CREATE INDEX IF NOT EXISTS tokens_by_exp ON tokens (exp);
  CREATE TABLE IF NOT EXISTS token_proofs (id TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS token_proofs_by_until ON token_proofs (until);
  `,
  `
  -- The index again, many terms a row (term-blocks.ts). It is made anew of the log.
  DROP TABLE postings;
  DELETE FROM segments;
  CREATE TABLE term_blocks (
    segment INTEGER NOT NULL,
    first INTEGER NOT NULL,      -- the least term of the block
    terms BLOB NOT NULL,
    PRIMARY KEY (segment, first)
  ) WITHOUT ROWID;
  `,
  `
  -- Events of which many differ in number, time and object only are stored as these and a template (stored-events.ts).
  CREATE TABLE templates (
    id INTEGER PRIMARY KEY,      -- by segments of 16,384 entries, 65,536 to each
    pieces TEXT NOT NULL         -- JSON: the text between what differs
  );
  -- Then event is the object, and stream, seq and time are what they are beside it. NULL: event is the whole text.
  ALTER TABLE entries ADD COLUMN template INTEGER;
  `,
  `
  -- What the index has of sixteen segments at once (segment-groups.ts): made of it.
  CREATE TABLE group_terms (
    number INTEGER NOT NULL,     -- of the group: segments from 16 times this on
    share INTEGER NOT NULL,      -- of its terms: 256, by their first bits
    terms BLOB NOT NULL,
    PRIMARY KEY (number, share)
  ) WITHOUT ROWID;
  `,
  `
  -- Templates may be of executions, which earlier versions cannot put together: they are not to open it.
  `,
];
