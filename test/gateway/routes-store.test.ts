import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, it} from 'vitest'
import {CreoError} from '../../src/core/errors.ts'
import type {RoutesTable, SignedTable} from '../../src/core/protocol/tables.ts'
import {type RoutesSource, RoutesStore} from '../../src/gateway/routes-store.ts'
import {generateKeyPair} from '../../src/identity/keys.ts'
import {signTable} from '../../src/identity/tables.ts'
import {createLog} from '../../src/telemetry/log.ts'

const key = generateKeyPair()
const network = 'c'.repeat(64)
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'creo-routes-'))
})
afterEach(() => rm(directory, {recursive: true, force: true}))

function openStore(onTable: (table: RoutesTable) => void): RoutesStore {
  const log = createLog({role: 'gateway', env: {CREO_LOG_LEVEL: 'silent'}})
  return new RoutesStore({path: join(directory, 'routes.json'), network, coordinatorKey: key.publicKey, log, onTable})
}

function tableOf(version: number, signer = key): SignedTable {
  return signTable({network, version, body: {kind: 'routes', apps: [], revisions: [], leases: [], nodes: [], gateways: []}, key: signer})
}

/** Answers in turn; ends the following after the last answer. */
function sourceOf(answers: readonly (SignedTable | Error)[], stop: AbortController): RoutesSource {
  const left = [...answers]
  return {
    routesTable: async () => {
      const next = left.shift()
      if (next === undefined) stop.abort()
      if (next instanceof Error) throw next
      return next === undefined ? undefined : {signed: next}
    }
  }
}

describe('the stored routes table', () => {
  it('stops being followed, and says why, when a newer one cannot be put to use', async () => {
    const stop = new AbortController()
    const store = openStore(() => {
      throw new CreoError('internal', 'The index cannot be made.')
    })
    await expect(store.follow(sourceOf([tableOf(1)], stop), stop.signal)).rejects.toThrow('The index cannot be made.')
    await expect(openStore(cannotUse).load()).rejects.toThrow('not put to use')
  })

  it('is followed on after one that is not signed by the coordinator, and one that could not be fetched', async () => {
    const stop = new AbortController()
    const seen: number[] = []
    const store = openStore(() => seen.push(store.version))
    const answers = [tableOf(1, generateKeyPair()), new CreoError('unavailable', 'Gone.'), tableOf(2), tableOf(1), tableOf(3)]
    await store.follow(sourceOf(answers, stop), stop.signal)
    expect(seen).toEqual([2, 3])
  })
})

function cannotUse(): void {
  throw new CreoError('internal', 'It is not put to use.')
}
