import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {expect, it} from 'vitest'
import {createOwnCommands} from '../../src/coordinator/own-commands.ts'
import {genesisSchema} from '../../src/core/protocol/genesis.ts'
import {loadKeyFile} from '../../src/identity/keys.ts'
import {decodeBody} from '../../src/ledger/group.ts'
import {JOURNAL_FILE, JournalReader} from '../../src/ledger/journal.ts'
import {openLedger} from '../../src/ledger/open-ledger.ts'
import {verifyLedger} from '../../src/ledger/verify.ts'
import {makeNetwork, temporaryFolder} from './coordinator-world.ts'

const EPOCH_MS = 60_000
const {signal} = new AbortController()

it('commands that are submitted together share signatures, eight at most, and each is answered and can be checked on its own', async () => {
  const {path: directory, remove} = await temporaryFolder()
  await makeNetwork(directory, EPOCH_MS)
  const genesisText = await readFile(join(directory, 'genesis.json'), 'utf8')
  const {createdAtMs} = genesisSchema.parse(JSON.parse(genesisText))
  const ledger = await openLedger({directory, genesisText, now: () => createdAtMs + 20 * EPOCH_MS, signal})
  const commands = createOwnCommands({ledger, key: await loadKeyFile(join(directory, 'coordinator.key'))})
  const epochs = Array.from({length: 8}, (_none, epoch) => ({body: {type: 'epoch.close', epoch} as const, cause: `epoch:${epoch}`}))
  const unknown = {body: {type: 'lease.end', lease: 'lea_99'} as const, cause: 'e:lea_99'}
  const answers = await Promise.all(commands.submitTogether([...epochs.slice(0, 3), unknown, ...epochs.slice(3)], signal))
  expect(answers.map(({status}) => status)).toEqual([...Array(3).fill('applied'), 'rejected', ...Array(5).fill('applied')])
  await ledger.projected(ledger.sequence, signal)
  await ledger.close()

  const journal = new JournalReader(join(directory, JOURNAL_FILE), ledger.networkId)
  const journaled = [...journal.groups(1)].flatMap((group) => decodeBody(group).commands).map(({command}) => command)
  journal.close()
  expect(journaled.map(({batch}) => [batch?.index, batch?.size, batch?.path.length])).toEqual([
    ...Array.from({length: 8}, (_none, index) => [index, 8, 3]),
    [undefined, undefined, undefined]
  ])
  expect(new Set(journaled.map(({signature}) => signature)).size).toBe(2)
  expect(await verifyLedger({directory, signatures: true, signal})).toMatchObject({holds: true, commands: 9, signaturesChecked: 9})
  await remove()
})
