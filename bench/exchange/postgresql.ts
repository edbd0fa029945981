import {chown, mkdir, readdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {execa} from 'execa'

const VERSIONS = '/usr/lib/postgresql'
const DATABASE = 'postgres'
export const CLIENTS = 16
export const TRANSFERS_PER_BATCH = 1000
const ACCOUNTS = 1000

/** The four rows of a transfer within an account: two balances that change and two entries. */
const SCHEMA = `
CREATE TABLE balances (account int, kind int, amount bigint NOT NULL, PRIMARY KEY (account, kind));
CREATE TABLE entries (number bigserial PRIMARY KEY, account int NOT NULL, kind int NOT NULL, delta bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX entries_of_account ON entries (account, number);
INSERT INTO balances SELECT account, kind, 1000000000000 FROM generate_series(1, ${ACCOUNTS}) account, generate_series(0, 1) kind;
CREATE FUNCTION transfer_many(count int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE a int;
BEGIN
  FOR i IN 1..count LOOP
    a := 1 + floor(random() * ${ACCOUNTS});
    UPDATE balances SET amount = amount - 1 WHERE account = a AND kind = 0;
    UPDATE balances SET amount = amount + 1 WHERE account = a AND kind = 1;
    INSERT INTO entries (account, kind, delta) VALUES (a, 0, -1), (a, 1, 1);
  END LOOP;
END $$;
`
const ONE_EACH = `\\set a random(1, ${ACCOUNTS})
BEGIN;
UPDATE balances SET amount = amount - 1 WHERE account = :a AND kind = 0;
UPDATE balances SET amount = amount + 1 WHERE account = :a AND kind = 1;
INSERT INTO entries (account, kind, delta) VALUES (:a, 0, -1), (:a, 1, 1);
COMMIT;
`
const BATCHED = `SELECT transfer_many(${TRANSFERS_PER_BATCH});\n`

export interface Postgresql {
  readonly version: string
  /** Transfers a second: one each transaction by many clients, or a thousand in a transaction by one. */
  perS(how: 'one_each' | 'batched', options: {readonly seconds: number; readonly signal: AbortSignal}): Promise<number>
  stop(): Promise<void>
}

/** A cluster of its own on a unix socket in this directory, with fsync as it comes. Undefined where PostgreSQL is not installed. */
export async function startPostgresql(directory: string, signal: AbortSignal): Promise<Postgresql | undefined> {
  const [newest] = (await readdir(VERSIONS).catch(() => [])).toSorted((a, b) => Number(b) - Number(a))
  if (newest === undefined) return undefined
  const bin = join(VERSIONS, newest, 'bin')
  const home = join(directory, 'postgresql')
  await mkdir(home, {recursive: true})
  const user = await serverUser(home)
  const options = {...user, cwd: home, cancelSignal: signal} as const
  const run = (program: string, ...args: readonly string[]) => execa(join(bin, program), args, options)
  const data = join(home, 'data')
  await run('initdb', '-D', data, '-U', DATABASE, '--auth=trust', '--no-sync')
  const settings = `-c listen_addresses='' -c unix_socket_directories='${home}' -c fsync=on -c synchronous_commit=on`
  // Its log goes to a file, so that nothing of the server keeps the pipes of pg_ctl open.
  await run('pg_ctl', '-D', data, '-o', settings, '-l', join(home, 'log'), '-w', 'start')
  const stop = async (): Promise<void> => {
    await execa(join(bin, 'pg_ctl'), ['-D', data, '-m', 'immediate', '-w', 'stop'], {...user, cwd: home})
  }
  try {
    const connect = ['-h', home, '-U', DATABASE, '-d', DATABASE]
    await run('psql', ...connect, '-q', '-v', 'ON_ERROR_STOP=1', '-c', SCHEMA)
    const scripts = {one_each: join(home, 'one-each.sql'), batched: join(home, 'batched.sql')}
    await writeFile(scripts.one_each, ONE_EACH)
    await writeFile(scripts.batched, BATCHED)
    return {
      version: newest,
      stop,
      perS: async (how, {seconds, signal: stopAt}) => {
        const clients = how === 'batched' ? '1' : String(CLIENTS)
        const args = [...connect, '-n', '-M', 'prepared', '-c', clients, '-T', String(seconds), '-f', scripts[how]]
        const {stdout} = await execa(join(bin, 'pgbench'), args, {...options, cancelSignal: stopAt})
        const [, tps] = /^tps = ([\d.]+)/m.exec(stdout) ?? []
        return Number(tps ?? Number.NaN) * (how === 'batched' ? TRANSFERS_PER_BATCH : 1)
      }
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** PostgreSQL refuses to run as root: then it runs as the user that its package made, who gets the directory. */
async function serverUser(home: string): Promise<{readonly uid?: number; readonly gid?: number}> {
  if (process.getuid?.() !== 0) return {}
  const id = async (which: string): Promise<number> => Number((await execa('id', [which, 'postgres'])).stdout)
  const [uid, gid] = [await id('-u'), await id('-g')]
  await chown(home, uid, gid)
  return {uid, gid}
}
