import type Database from 'better-sqlite3'

export const PROJECTIONS_FILE = 'ledger.sqlite'

/** Raised with every change of the tables or of what is written into them: files of another version are thrown away and rebuilt. */
export const PROJECTION_VERSION = 20

/** Hours of `paid_hours` that are kept of an incentive: the last one and those of a day before it. */
export const PAID_HOURS_KEPT = 24
export const PAID_HOUR_MS = 3_600_000

/**
 * Statements and orders are most of the file, so they name an account and a balance by their numbers; an order's number is its sequence. `lines` are as
 * `statement-lines.ts` packs them, and `statement_slots` says which blocks of them have a balance. The last column of each index is the row's number.
 */
const TABLES = `
CREATE TABLE watermark (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE TABLE accounts (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, created_at_ms INTEGER NOT NULL, keys TEXT NOT NULL, invites TEXT, recovery TEXT
) STRICT;
CREATE TABLE account_keys (key_id TEXT PRIMARY KEY, account TEXT NOT NULL, roles TEXT NOT NULL) STRICT;
CREATE INDEX account_keys_of ON account_keys (account);
CREATE TABLE balances (
  slot INTEGER PRIMARY KEY, account TEXT NOT NULL, asset TEXT NOT NULL, kind TEXT NOT NULL, amount_minor INTEGER NOT NULL, UNIQUE (account, asset, kind)
) STRICT;
CREATE TABLE statements (number INTEGER PRIMARY KEY, holder INTEGER NOT NULL, lines BLOB NOT NULL) STRICT;
CREATE INDEX statements_of_holder ON statements (holder);
CREATE TABLE statement_slots (slot INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (slot, number)) STRICT, WITHOUT ROWID;
CREATE TABLE command_types (number INTEGER PRIMARY KEY, type TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE transfers (seq INTEGER PRIMARY KEY, sender TEXT NOT NULL, recipient TEXT NOT NULL, memo TEXT) STRICT;
CREATE TABLE nodes (
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, architecture TEXT NOT NULL, key_id TEXT NOT NULL UNIQUE, public_key TEXT NOT NULL,
  enrolled_at_ms INTEGER NOT NULL, seq INTEGER NOT NULL
) STRICT;
CREATE TABLE gateways (
  id TEXT PRIMARY KEY, public_key TEXT NOT NULL, name TEXT NOT NULL, tunnel_url TEXT NOT NULL, public_url TEXT NOT NULL, admitted INTEGER NOT NULL
) STRICT;
CREATE TABLE block_events (
  seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, action TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, reason TEXT NOT NULL, by_key TEXT NOT NULL
) STRICT;
CREATE TABLE blocks (kind TEXT NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (kind, name)) STRICT, WITHOUT ROWID;
CREATE TABLE incentives (
  id TEXT PRIMARY KEY, org TEXT NOT NULL, name TEXT NOT NULL, scope TEXT, decimals INTEGER NOT NULL, lot_minor INTEGER NOT NULL,
  supply_minor INTEGER NOT NULL, trade_volume_limit INTEGER NOT NULL, captured TEXT NOT NULL, transferable INTEGER NOT NULL, issued_at_ms INTEGER NOT NULL,
  owner_share INTEGER
) STRICT;
CREATE TABLE market_phases (incentive TEXT PRIMARY KEY, phase TEXT NOT NULL, ends_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE volume_buckets (
  incentive TEXT NOT NULL, bucket INTEGER NOT NULL, notional INTEGER NOT NULL, PRIMARY KEY (incentive, bucket)
) STRICT, WITHOUT ROWID;
CREATE TABLE offers (
  id TEXT PRIMARY KEY, incentive TEXT NOT NULL, item TEXT NOT NULL, price_minor INTEGER NOT NULL, stock INTEGER NOT NULL, place TEXT NOT NULL, seq INTEGER NOT NULL,
  stopped INTEGER NOT NULL, picture TEXT
) STRICT;
CREATE TABLE orders (
  seq INTEGER PRIMARY KEY, account INTEGER NOT NULL, incentive TEXT NOT NULL, side TEXT NOT NULL, price INTEGER NOT NULL, lots INTEGER NOT NULL, remaining INTEGER NOT NULL, status TEXT NOT NULL, reason TEXT, placed_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX orders_open ON orders (incentive, side, price) WHERE status = 'open';
CREATE INDEX orders_of_account ON orders (account);
CREATE TABLE trades (
  incentive TEXT NOT NULL, seq INTEGER NOT NULL, position INTEGER NOT NULL, price INTEGER NOT NULL, lots INTEGER NOT NULL, taker_side TEXT NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (incentive, seq, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE candles (
  incentive TEXT NOT NULL, span TEXT NOT NULL, start_ms INTEGER NOT NULL, open INTEGER NOT NULL, high INTEGER NOT NULL, low INTEGER NOT NULL,
  close INTEGER NOT NULL, lots INTEGER NOT NULL, notional INTEGER NOT NULL, trades INTEGER NOT NULL, PRIMARY KEY (incentive, span, start_ms)
) STRICT, WITHOUT ROWID;
CREATE TABLE redemptions (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, offer TEXT NOT NULL, incentive TEXT NOT NULL, holder TEXT NOT NULL, quantity INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL, status TEXT NOT NULL, requested_at_ms INTEGER NOT NULL, ended_at_ms INTEGER,
  code_salt TEXT, code_hash TEXT, reason TEXT
) STRICT;
CREATE INDEX redemptions_of_incentive ON redemptions (incentive, status, seq);
CREATE INDEX redemptions_of_offer ON redemptions (offer, status, seq);
CREATE INDEX redemptions_of_holder ON redemptions (holder, seq);
CREATE INDEX redemptions_captured ON redemptions (incentive, seq) WHERE status = 'captured';
CREATE TABLE redemption_totals (
  incentive TEXT NOT NULL, status TEXT NOT NULL, redemptions INTEGER NOT NULL, amount_minor INTEGER NOT NULL, PRIMARY KEY (incentive, status)
) STRICT, WITHOUT ROWID;
CREATE TABLE apps (org TEXT NOT NULL, app TEXT NOT NULL, routes TEXT NOT NULL, PRIMARY KEY (org, app)) STRICT;
CREATE TABLE revisions (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, org TEXT NOT NULL, app TEXT NOT NULL, function TEXT NOT NULL, image_digest TEXT NOT NULL,
  spec TEXT NOT NULL, current INTEGER NOT NULL, percent INTEGER NOT NULL, tags TEXT NOT NULL, served INTEGER NOT NULL, traffic_at_ms INTEGER NOT NULL,
  deployed_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX revisions_of_app ON revisions (org, app, function, current);
CREATE INDEX revisions_current ON revisions (current);
CREATE TABLE leases (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, node TEXT NOT NULL, revision TEXT NOT NULL, starts_at_ms INTEGER NOT NULL, ends_at_ms INTEGER NOT NULL,
  status TEXT NOT NULL
) STRICT;
CREATE INDEX leases_of_node ON leases (node, status);
CREATE INDEX leases_of_revision ON leases (revision, status, starts_at_ms);
CREATE INDEX leases_by_status ON leases (status);
CREATE TABLE lease_budgets (
  lease TEXT NOT NULL, position INTEGER NOT NULL, incentive TEXT NOT NULL, reserved_minor INTEGER NOT NULL, paid_minor INTEGER NOT NULL,
  PRIMARY KEY (lease, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE receipts (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, lease TEXT NOT NULL, node TEXT NOT NULL, requests INTEGER NOT NULL, mib_ms INTEGER NOT NULL,
  standby_ms INTEGER NOT NULL, paid TEXT NOT NULL, at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX receipts_of_lease ON receipts (lease, seq);
CREATE INDEX receipts_of_node ON receipts (node, seq);
CREATE TABLE paid_hours (
  incentive TEXT NOT NULL, hour INTEGER NOT NULL, org TEXT NOT NULL, app TEXT NOT NULL, function TEXT NOT NULL, requests INTEGER NOT NULL,
  mib_ms INTEGER NOT NULL, paid_minor INTEGER NOT NULL, PRIMARY KEY (incentive, hour, org, app, function)
) STRICT, WITHOUT ROWID;
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, seq INTEGER NOT NULL, minted INTEGER NOT NULL, shares TEXT NOT NULL) STRICT;
`

/** Tables of an empty file, with the watermark before the journal's first group. */
export function createProjectionTables(database: Database.Database, networkId: string): void {
  database.exec(TABLES)
  database.prepare('INSERT INTO watermark VALUES (1, 0, 0, ?)').run(networkId)
  database.pragma(`user_version = ${PROJECTION_VERSION}`)
}
