import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags, registryTokenFlags} from '../../cli/flags.ts'
import {parseDurationMs} from '../../cli/format.ts'

export default class RegistryLogin extends CreoCommand {
  static override summary = 'Log podman, buildah and skopeo in to the registry of the network.'
  static override description = 'Writes a password that ends by itself where they look for it; creo itself needs none.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --pull-only --expires 24h']
  static override flags = {
    ...networkFlags,
    ...accountFlags,
    ...registryTokenFlags,
    authfile: Flags.string({helpValue: 'PATH', description: 'File with passwords, instead of the one that podman reads.'})
  }

  async run(): Promise<{readonly registry: string; readonly account: string; readonly path: string; readonly expiresAt: string}> {
    const {flags} = await this.parse(RegistryLogin)
    const [{openAccount}, {containersAuthFile, makeRegistryToken, savePassword}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/registry-login.ts')
    ])
    const wish = {lifetimeMs: parseDurationMs(flags.expires), isPullOnly: flags['pull-only'], repository: flags.repository}
    const context = await openAccount(flags, this.abort)
    const {token, expiresAtMs, registry} = await makeRegistryToken(context, wish)
    const path = flags.authfile ?? containersAuthFile(process.env, process.getuid?.() ?? 0)
    const account = context.account.name
    await savePassword(path, {registry, user: account, password: token})
    const expiresAt = new Date(expiresAtMs).toISOString()
    this.log(`Logged in to ${registry} as ${account} until ${expiresAt}.`)
    const plain = context.coordinatorUrl.startsWith('http:') ? '--tls-verify=false ' : ''
    this.log(`Push: podman push ${plain}IMAGE ${registry}/${account}/APP/FUNCTION:TAG`)
    this.logToStderr(`Log out: podman logout ${registry}`)
    return {registry, account, path, expiresAt}
  }
}
