/** Files of a coordinator's data directory; the ledger's own stand beside them. */
export const GENESIS_FILE = 'genesis.json'
export const COORDINATOR_KEY_FILE = 'coordinator.key'
/** Belongs to the operator: it may be moved to another machine, `serve` never reads it. */
export const OPERATOR_KEY_FILE = 'operator.key'
/** Values of apps' secrets, sealed to the key beside. */
export const SECRETS_FILE = 'secrets.sqlite'
export const SECRETS_KEY_FILE = 'secrets.key'
/** What the apps' schedules have fired. */
export const CRON_FILE = 'cron.sqlite'
/** Where orgs are told of their redemptions, and what waits to be told. */
export const WEBHOOKS_FILE = 'webhooks.sqlite'
/** Pictures of offers. */
export const PICTURES_FILE = 'pictures.sqlite'
/** The last lines that functions wrote. */
export const LOGS_FILE = 'logs.sqlite'
/** What gateways saw of nodes. */
export const REPUTATION_FILE = 'reputation.sqlite'
/** How the exchange's hosts answered blind probes. */
export const PROBES_FILE = 'probes.json'
/** Which signed requests came, for as long as they could be replayed: two files of this name. */
export const NONCES_FILE = 'nonces'
export const REGISTRY_FOLDER = 'registry'
/** Bases that `creo bases` wrote there are offered to all who deploy. */
export const BASES_FOLDER = 'bases'
/** Beside the ledger and the images, what nothing makes again: a backup has it, and a restore puts it back. Logs, what was seen of requests and keys are in none. */
export const BACKED_UP_DATABASES = [SECRETS_FILE, CRON_FILE, REPUTATION_FILE, WEBHOOKS_FILE, PICTURES_FILE] as const
export const BACKED_UP_FILES = [GENESIS_FILE, PROBES_FILE] as const
