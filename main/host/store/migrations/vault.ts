/**
 * Scripts that bring `vault.db` to the current version, in order; a published script never changes.
 * "cursor" is the series of executions of one plan in one attempt of one job, and the place reached in it.
 */

const first = `
CREATE TABLE vault (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  vault_id TEXT NOT NULL,               -- random: another vault has not seen what this one guards
  flushes INTEGER NOT NULL              -- counts up: SQLite writes, and syncs, nothing where nothing changes
) STRICT;

CREATE TABLE job_limit (
  job TEXT PRIMARY KEY,
  lowest_attempt INTEGER NOT NULL,      -- attempts below are burnt
  retired INTEGER NOT NULL              -- 1: nothing more under this job
) STRICT, WITHOUT ROWID;

CREATE TABLE cursor (
  id INTEGER PRIMARY KEY,
  job TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  plan_digest TEXT NOT NULL,
  next INTEGER NOT NULL,                -- lowest execution that was neither leased nor skipped
  UNIQUE (job, attempt, plan_digest)
) STRICT;

CREATE TABLE lease (
  cursor INTEGER NOT NULL REFERENCES cursor ON DELETE CASCADE,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  finished INTEGER NOT NULL,            -- executions finished, in order
  live INTEGER NOT NULL,
  PRIMARY KEY (cursor, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE burnt (
  cursor INTEGER NOT NULL REFERENCES cursor ON DELETE CASCADE,
  first INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (cursor, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE record (
  id INTEGER PRIMARY KEY,
  cursor INTEGER NOT NULL REFERENCES cursor ON DELETE CASCADE,
  execution INTEGER NOT NULL,
  number INTEGER NOT NULL,
  label TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  UNIQUE (cursor, execution, number)
) STRICT;

CREATE TABLE chunk (
  id INTEGER PRIMARY KEY,
  record INTEGER NOT NULL REFERENCES record ON DELETE CASCADE,
  number INTEGER NOT NULL,
  content BLOB NOT NULL,
  UNIQUE (record, number)
) STRICT;

CREATE TABLE tally (
  cursor INTEGER NOT NULL REFERENCES cursor ON DELETE CASCADE,
  label TEXT NOT NULL,
  made INTEGER NOT NULL,
  used INTEGER NOT NULL,
  burnt INTEGER NOT NULL,
  bytes_left INTEGER NOT NULL,
  PRIMARY KEY (cursor, label)
) STRICT, WITHOUT ROWID;

CREATE TABLE frame (
  cursor INTEGER NOT NULL REFERENCES cursor ON DELETE CASCADE,
  execution INTEGER NOT NULL,
  slot TEXT NOT NULL,
  sha256 BLOB NOT NULL,
  PRIMARY KEY (cursor, execution, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE binding (
  job TEXT NOT NULL,
  mask TEXT NOT NULL,
  sha256 BLOB NOT NULL,
  PRIMARY KEY (job, mask)
) STRICT, WITHOUT ROWID;

CREATE TABLE peer_position (
  job TEXT NOT NULL,
  peer TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  plan_digest TEXT NOT NULL,
  execution INTEGER NOT NULL,
  PRIMARY KEY (job, peer, attempt, plan_digest)
) STRICT, WITHOUT ROWID;
`;

export const vaultMigrations: readonly string[] = [first];
