/**
 * Scripts that bring `tacit.db` to the current version, in order. As TypeScript they are part of any bundle, so there is no
 * file to look for. A published script never changes; a new one is added below.
 */

const first = `
CREATE TABLE identity (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  name TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  certificate_pem TEXT NOT NULL,
  private_key_pem TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE peer (
  fingerprint TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  addresses TEXT NOT NULL,              -- JSON array of text
  pinned_at_ms INTEGER NOT NULL,
  last_seen_ms INTEGER,
  revoked_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  closed_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE session_member (
  session TEXT NOT NULL REFERENCES session ON DELETE CASCADE,
  party TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  roles TEXT NOT NULL,                  -- JSON array of text
  PRIMARY KEY (session, party)
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
  id TEXT PRIMARY KEY,
  session TEXT REFERENCES session,
  name TEXT NOT NULL,
  canonical TEXT NOT NULL,              -- canonical JSON, the text whose digest parties vote on
  digest TEXT NOT NULL,
  state TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
  job TEXT NOT NULL REFERENCES job ON DELETE CASCADE,
  number INTEGER NOT NULL,
  started_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  outcome TEXT,
  results_path TEXT,
  PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_line (
  id INTEGER PRIMARY KEY,
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  level TEXT NOT NULL,
  text TEXT NOT NULL,
  FOREIGN KEY (job, attempt) REFERENCES attempt ON DELETE CASCADE
) STRICT;
CREATE INDEX log_line_of_attempt ON log_line (job, attempt, id);

CREATE TABLE checkpoint (
  id INTEGER PRIMARY KEY,
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  execution INTEGER NOT NULL,           -- executions finished before this state
  bytes INTEGER NOT NULL,
  chunks INTEGER NOT NULL,
  saved_at_ms INTEGER NOT NULL,
  UNIQUE (job, attempt, execution),
  FOREIGN KEY (job, attempt) REFERENCES attempt ON DELETE CASCADE
) STRICT;

CREATE TABLE checkpoint_chunk (
  id INTEGER PRIMARY KEY,
  checkpoint INTEGER NOT NULL REFERENCES checkpoint ON DELETE CASCADE,
  number INTEGER NOT NULL,
  nonce BLOB NOT NULL,
  sealed BLOB NOT NULL,
  UNIQUE (checkpoint, number)
) STRICT;

CREATE TABLE timing (
  id INTEGER PRIMARY KEY,
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  execution INTEGER NOT NULL,           -- -1: outside any execution
  phase TEXT NOT NULL,
  layer TEXT NOT NULL,
  start_us INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  bytes_out INTEGER NOT NULL,
  bytes_in INTEGER NOT NULL,
  rounds INTEGER NOT NULL,
  multiply_adds INTEGER NOT NULL,
  FOREIGN KEY (job, attempt) REFERENCES attempt ON DELETE CASCADE
) STRICT;
CREATE INDEX timing_of_attempt ON timing (job, attempt, id);

CREATE TABLE setting (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL                   -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
  sequence INTEGER PRIMARY KEY,
  previous BLOB NOT NULL,
  entry TEXT NOT NULL,                  -- canonical JSON
  hash BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_is_not_erased BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
`;

const registry = `
CREATE TABLE dataset (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  paths TEXT NOT NULL,                  -- JSON array of absolute paths
  uploaded INTEGER NOT NULL,            -- 1: the files are the program's own copies
  row_count INTEGER NOT NULL,
  column_count INTEGER NOT NULL,
  content_digest TEXT NOT NULL,
  uses TEXT NOT NULL,                   -- JSON object: use by column
  added_at_ms INTEGER NOT NULL,
  confirmed_at_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE draft (
  id TEXT PRIMARY KEY,
  text TEXT NOT NULL,
  changed_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`;

const joins = `
CREATE TABLE row_join (
  job TEXT PRIMARY KEY REFERENCES job ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  nonce BLOB NOT NULL,
  sealed BLOB NOT NULL                  -- which of this party's rows are in the joined table, and where
) STRICT;
`;

const projects = `
ALTER TABLE session RENAME TO project;
ALTER TABLE project DROP COLUMN closed_at_ms;
ALTER TABLE project ADD COLUMN charter TEXT NOT NULL DEFAULT '{}';  -- canonical JSON, whose digest is the id
DROP TABLE session_member;
ALTER TABLE job RENAME COLUMN session TO project;

CREATE TABLE journal (
  project TEXT NOT NULL REFERENCES project ON DELETE CASCADE,
  author TEXT NOT NULL,                 -- fingerprint of a member
  sequence INTEGER NOT NULL,
  hash TEXT NOT NULL,
  entry TEXT NOT NULL,                  -- canonical JSON
  PRIMARY KEY (project, author, sequence)
) STRICT;
CREATE TRIGGER journal_is_not_changed BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'journals are append-only'); END;

ALTER TABLE draft ADD COLUMN project TEXT;
ALTER TABLE draft ADD COLUMN job TEXT;  -- that the text was proposed as
`;

export const storeMigrations: readonly string[] = [first, registry, joins, projects];
