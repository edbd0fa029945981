import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {type FirstDeployOptions, firstDeploy} from '../../src/cli/first-deploy.ts'
import {openAccount} from '../../src/developer/context.ts'
import {readManifest} from '../../src/developer/read-manifest.ts'
import {CliWorld} from './cli-world.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.make()
  await world.startCoordinator()
  await world.must('network', 'join', world.coordinatorUrl, '--id', world.networkId)
  await world.must('account', 'create', 'colibris')
  process.env.CREO_CONFIG_DIR = world.env.CREO_CONFIG_DIR
})
afterAll(() => world.close())

async function app(name: string, settings: string): Promise<string> {
  const folder = join(world.folder, name)
  await mkdir(join(folder, 'web'), {recursive: true})
  await writeFile(join(folder, 'web', 'file'), 'one')
  const head = `app: ${name}\norg: colibris\nroutes:\n  - {path: /, function: web}\nfunctions:\n  # What people see.\n  web:\n    base: scratch\n    source: ./web\n`
  await writeFile(join(folder, 'creo.yaml'), `${head}    command: [/app/file]\n${settings}`)
  return folder
}

const pool = async (asset: string): Promise<string | undefined> => {
  const {balances} = (await world.must('account', 'balance', 'colibris')) as {balances: {asset: string; kind: string; amount: string}[]}
  return balances.find((one) => one.asset === asset && one.kind === 'pool')?.amount
}

describe('a first deploy', () => {
  it('makes of two answers an incentive, its pool and the rewards, once', async () => {
    const folder = await app('shop', '    rewards: [] # none yet\n')
    const first = await world.must('deploy', folder, '--wait', '0s', '--buys', 'A cup of tea', '--per-month', '1000', '--pay-in', 'TEA')
    expect(first.first).toEqual({incentive: 'colibris/TEA', issued: true, perMonth: 1000, funded: '1000', rewardsWritten: ['web']})
    const text = await readFile(join(folder, 'creo.yaml'), 'utf8')
    expect(text).toContain('  # What people see.\n  web:\n')
    expect((await readManifest(folder)).manifest.functions.web?.rewards).toEqual([
      {
        incentive: 'colibris/TEA',
        perMillion: {requests: '0.01929', mibMs: '0.000452', standbyMs: '0.028935'},
        dailyBudget: '33.333333'
      }
    ])
    const {incentives} = (await world.must('incentive', 'list')) as {incentives: {incentive: string}[]}
    expect(incentives.find(({incentive}) => incentive === 'colibris/TEA')).toMatchObject({supply: '120000', lot: '0.01', limitGutta: '100'})
    expect(await pool('colibris/TEA')).toBe('1000')

    const again = await world.must('deploy', folder, '--wait', '0s', '--buys', 'A cup of tea', '--per-month', '1000')
    expect(again).not.toHaveProperty('first')
    expect(again.revisions).toMatchObject([{revision: (first.revisions as {revision: string}[])[0]?.revision}])
    expect(await pool('colibris/TEA')).toBe('1000')
  })

  it('issues the incentive that the manifest names, with decimals for its amounts, and leaves the file as it is', async () => {
    const folder = await app('garden', '    rewards: [{incentive: colibris/ROSE, perMillion: {mibMs: "0.0005"}, dailyBudget: 5}]\n')
    const text = await readFile(join(folder, 'creo.yaml'), 'utf8')
    const {first} = await world.must('deploy', folder, '--wait', '0s', '--buys', 'A rose', '--per-month', '200')
    expect(first).toEqual({incentive: 'colibris/ROSE', issued: true, perMonth: 200, funded: '200', rewardsWritten: []})
    expect(await readFile(join(folder, 'creo.yaml'), 'utf8')).toBe(text)
  })

  it('refuses to guess where nobody can be asked, and says which flags answer', async () => {
    const folder = await app('closed', '    rewards: [{incentive: colibris/ROSA, perMillion: {requests: 1}, dailyBudget: 5}]\n')
    expect(await world.json('deploy', folder, '--wait', '0s')).toEqual({
      code: 4,
      json: {
        error: {
          code: 'not_found',
          message: `${join(folder, 'creo.yaml')}:11:16: There is no incentive colibris/ROSA.`,
          hint: 'Did you mean ROSE? Else: creo deploy closed --per-month N --buys ITEM'
        }
      }
    })
    expect(await world.json('deploy', folder, '--wait', '0s', '--buys', 'x', '--per-month', 'many')).toMatchObject({
      code: 2,
      json: {error: {code: 'invalid_input', message: '"many" is not a number of items a month.'}}
    })
  })
})

describe('on a terminal', () => {
  /** Everything said and asked, with what was answered. */
  async function talk(folder: string, answers: string[]): Promise<{said: string[]; options: FirstDeployOptions}> {
    const signal = new AbortController().signal
    const said: string[] = []
    const ask = async (question: string): Promise<string> => {
      const answer = answers.shift() ?? 'no'
      said.push(`${question} ${answer}`)
      return answer
    }
    const flags = {buys: undefined, 'per-month': undefined, 'pay-in': undefined, yes: false}
    const context = await openAccount({as: 'colibris'}, signal)
    return {said, options: {context, found: await readManifest(folder), flags, ask, say: (text) => said.push(text), signal}}
  }

  it('a founder is asked two questions, and sees what follows before anything is signed', async () => {
    const folder = await app('asked', '')
    const {said, options} = await talk(folder, ['200', 'n'])
    await expect(firstDeploy(options)).rejects.toMatchObject({code: 'interrupted'})
    expect(said).toEqual([
      `Nobody is paid for hosting this app yet. One answer mends that;
an empty one leaves it so. Hosts get ROSE; --pay-in chooses another: TEA.`,
      'How many a month can you give? 200',
      `  Reward pool  holds a month already
  web pays     at most 6.6666 ROSE a day:
               0.0001 per 10^6 MiB·ms it runs
               0.0057 per 10^6 ms a node stands by
               0.0038 per 10^6 requests
Next:
  write the rewards into creo.yaml
  deploy`,
      'Do this? [y/N] n'
    ])
    expect((await readManifest(folder)).manifest.functions.web?.rewards).toEqual([])
  })

  it('an empty answer deploys the app as it is', async () => {
    const {options} = await talk(await app('free', ''), [''])
    expect(await firstDeploy(options)).toEqual({found: options.found})
  })

  it('who has deployed it unpaid is warned, not asked again', async () => {
    const folder = await app('calm', '')
    await world.must('deploy', folder, '--wait', '0s')
    const {said, options} = await talk(folder, ['1', 'y'])
    expect(await firstDeploy(options)).toEqual({found: options.found})
    expect(said).toEqual([`Nobody hosts what pays nothing. What hosts get is said with: creo deploy ${folder} --pay-in ROSE --per-month N`])
  })

  it('nothing is signed or written where more is promised than there is, or the file has no place for the rewards', async () => {
    const rich = await talk(await app('rich', ''), ['30000', 'y'])
    await expect(firstDeploy(rich.options)).rejects.toMatchObject({
      code: 'insufficient_funds',
      message: 'The reward pool lacks 29800 colibris/ROSE, and you have 23800.'
    })
    const folder = await app('twins', '')
    const text = (await readFile(join(folder, 'creo.yaml'), 'utf8')).replace('  web:\n', '  web: &web\n')
    await writeFile(join(folder, 'creo.yaml'), `${text}  other: *web\n`)
    const twins = await talk(folder, ['1', 'y'])
    await expect(firstDeploy(twins.options)).rejects.toMatchObject({
      code: 'invalid_manifest',
      message: expect.stringContaining(':11:3: The rewards')
    })
    expect(await readFile(join(folder, 'creo.yaml'), 'utf8')).toBe(`${text}  other: *web\n`)
  })

  it('what is named and not issued is shown whole', async () => {
    const folder = await app('honey', '    rewards: [{incentive: colibris/HONEY, perMillion: {requests: 1}, dailyBudget: 5}]\n')
    const {said, options} = await talk(folder, ['A jar of honey', '30', 'y'])
    const {done} = await firstDeploy(options)
    expect(done).toMatchObject({incentive: 'colibris/HONEY', issued: true, funded: '30'})
    expect(said).toEqual([
      'colibris/HONEY is not issued yet. Two answers issue it.',
      'What does 1 HONEY buy? A jar of honey',
      'How many a month can you give? 30',
      `  1 HONEY buys  A jar of honey
  Supply        3600 HONEY, for ever: ten years of 30 a month
  Traded        in lots of 0.01, at prices in steps of 0.0001 Gutta
                for at most 3 Gutta in 24 minutes
  Reward pool   30 HONEY, for the first month
Next:
  issue colibris/HONEY
  fill its reward pool
  deploy`,
      'Do this? [y/N] y',
      `Issued colibris/HONEY. Its code, supply and lot stay for ever.
To change the limit: creo incentive limit colibris/HONEY GUTTA
30 colibris/HONEY went into the reward pool.
Each month: creo incentive fund colibris/HONEY 30`
    ])
  })
})

describe('a later deploy', () => {
  it('warns at every deploy for as long as nobody is paid, and does then what the warning says', async () => {
    const folder = await app('late', '')
    for (let deploys = 0; deploys < 2; deploys += 1) {
      const {code, stderr} = await world.run('deploy', folder, '--wait', '0s', '--pay-in', 'LATE')
      expect([code, stderr]).toEqual([
        0,
        expect.stringContaining(
          'Nobody hosts what pays nothing. What hosts get is said with: creo deploy late --pay-in LATE --per-month N --buys ITEM'
        )
      ])
    }
    const {first} = await world.must('deploy', folder, '--wait', '0s', '--pay-in', 'LATE', '--per-month', '30', '--buys', 'A call')
    expect(first).toEqual({incentive: 'colibris/LATE', issued: true, perMonth: 30, funded: '30', rewardsWritten: ['web']})
    const {stderr} = await world.run('deploy', folder, '--wait', '0s')
    expect(stderr).not.toContain('Nobody hosts')
  })

  it('is the next step after a pool is filled that nothing pays from', async () => {
    const paid = await world.run('incentive', 'fund', 'colibris/ROSE', '1')
    expect(paid.stdout).toBe('1 colibris/ROSE are in the reward pool.\n')
    const offer = ['--offer', 'A nap', '--offer-price', '1', '--offer-stock', '5']
    await world.must('incentive', 'issue', 'IDLE', '--supply', '100', '--limit', '10', ...offer)
    const {stdout} = await world.run('incentive', 'fund', 'colibris/IDLE', '1')
    expect(stdout).toContain('No app pays in it yet. Next, so that hosts earn it: creo deploy FOLDER --pay-in IDLE --per-month NUMBER\n')
  })
})
