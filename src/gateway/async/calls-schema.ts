/** Bodies and results lie beside the calls, so that a change of state does not write them again. */
export const CALLS_SCHEMA = `
CREATE TABLE IF NOT EXISTS calls (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  app TEXT NOT NULL,
  function TEXT NOT NULL,
  key_name TEXT,
  key_content TEXT,
  state TEXT NOT NULL CHECK (state IN ('queued', 'succeeded', 'failed', 'cancelled')),
  attempts INTEGER NOT NULL,
  accepted_at_ms INTEGER NOT NULL,
  due_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  bytes INTEGER NOT NULL,
  request TEXT NOT NULL,
  error TEXT
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS calls_by_key ON calls (key_name) WHERE key_name IS NOT NULL;
CREATE INDEX IF NOT EXISTS calls_by_app ON calls (app, state, number);
CREATE INDEX IF NOT EXISTS calls_ended ON calls (ended_at_ms, app, bytes) WHERE state <> 'queued';
CREATE TABLE IF NOT EXISTS bodies (call INTEGER PRIMARY KEY REFERENCES calls (number) ON DELETE CASCADE, body BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS results (
  call INTEGER PRIMARY KEY REFERENCES calls (number) ON DELETE CASCADE, head TEXT NOT NULL, body BLOB NOT NULL
) STRICT;
`
