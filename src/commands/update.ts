import {Args, Flags} from '@oclif/core'
import {CreoCommand} from '../cli/base-command.ts'
import type {ServiceScope} from '../miner/service-unit.ts'

interface UpdateAnswer {
  readonly status: 'updated' | 'rolled_back' | 'available' | 'already_current' | 'older'
  readonly from: string
  readonly to: string
  readonly path: string
  readonly previousPath: string | null
  readonly restarted: readonly ServiceScope[]
  readonly drained: boolean
}

export default class Update extends CreoCommand {
  static override summary = 'Replace this creo by a release that its publisher signed, or go back.'
  static override description =
    `Only when you say so: creo never looks for a newer one by itself. The release is fetched (a cut download is gone on with), \
its signature checked, and tried on this machine; then it takes this one's place at once, and this one is kept beside it.
A miner that a service runs is drained and started anew; when it does not stay up, this creo is put back.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> https://creo.example/releases/ --check',
    '<%= config.bin %> <%= command.id %> ./dist-package --public-key creo.pub',
    '<%= config.bin %> <%= command.id %> https://creo.example/releases/1.2.0/ --to 1.2.0',
    '<%= config.bin %> <%= command.id %> --rollback'
  ]
  static override args = {
    place: Args.string({
      description: 'Address or folder of a release, or the file in it. Default: the address that the publisher built in.'
    })
  }
  static override flags = {
    check: Flags.boolean({exclusive: ['rollback'], description: 'Say what there is and change nothing.'}),
    to: Flags.string({helpValue: 'VERSION', exclusive: ['rollback'], description: 'Take this version and no other, also an older one.'}),
    rollback: Flags.boolean({description: 'Put back the creo that the last update replaced.'}),
    'public-key': Flags.string({
      helpValue: 'FILE|KEY',
      description: "The publisher's key of minisign, from somewhere else than the download. Default: the one that is built in."
    }),
    data: Flags.string({helpValue: 'DIR', description: 'Folder of the node. Default: miner in the data folder of creo.'})
  }

  async run(): Promise<UpdateAnswer> {
    const {args, flags} = await this.parse(Update)
    if (flags.rollback && args.place !== undefined) await this.#refusePlace(args.place)
    const [{lookAtRelease, rollBack, updateTo}, {updatableProgram}, {nodeFolder}, {wantedRelease}] = await Promise.all([
      import('../compose/update/update.ts'),
      import('../compose/update/installation.ts'),
      import('../cli/read-lending.ts'),
      import('../compose/update/wanted.ts')
    ])
    const options = {
      executable: await updatableProgram(process.env),
      version: this.config.version,
      architecture: process.arch,
      node: nodeFolder(flags.data),
      env: process.env,
      step: <T>(name: string, work: (note: (text: string) => void) => Promise<T>) => this.progress.step(name, work),
      signal: this.abort
    }
    if (flags.rollback) return this.#said({status: 'rolled_back', ...(await rollBack(options))})
    const offered = await lookAtRelease(await wantedRelease({place: args.place, publicKey: flags['public-key'], to: flags.to}), options)
    const status = ({newer: 'available', same: 'already_current', older: 'older'} as const)[offered.status]
    const unchanged = {
      from: options.version,
      to: offered.release.version,
      path: options.executable,
      previousPath: null,
      restarted: [],
      drained: false
    }
    if (flags.check || status === 'already_current') return this.#said({status, ...unchanged})
    if (status === 'older' && flags.to === undefined) {
      const {CreoError} = await import('../core/errors.ts')
      throw new CreoError('conflict', `creo ${offered.release.version} is older than this one, ${options.version}.`, {
        hint: `To go back to it: creo update ${args.place ?? ''} --to ${offered.release.version}`.replace('  ', ' ')
      })
    }
    return this.#said({status: 'updated', ...(await updateTo(offered, options))})
  }

  async #refusePlace(place: string): Promise<never> {
    const {CreoError} = await import('../core/errors.ts')
    throw new CreoError('usage', '--rollback takes no place: it puts back the creo that lies beside this one.', {
      hint: `creo update --rollback, or for a version of a place: creo update ${place} --to VERSION`
    })
  }

  #said(answer: UpdateAnswer): UpdateAnswer {
    const {status, from, to, path, restarted, drained} = answer
    if (status === 'already_current') this.log(`This is creo ${to} already.`)
    else if (status === 'available') this.log(`creo ${to} is there; this one is ${from}. Take it: the same without --check.`)
    else if (status === 'older') this.log(`creo ${to} is there, which is older than this one, ${from}.`)
    else this.log(`${path} is creo ${to} now; it was ${from}. Undo it: creo update --rollback`)
    if (restarted.length > 0) this.log('The miner was drained and runs with it.')
    if (drained) this.log('The miner was drained and has ended. Start it again: creo mine start')
    return answer
  }
}
