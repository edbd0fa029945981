import {CreoCommand} from '../../cli/base-command.ts'
import {accountFlags, networkFlags, registryTokenFlags} from '../../cli/flags.ts'
import {parseDurationMs} from '../../cli/format.ts'

export default class RegistryToken extends CreoCommand {
  static override summary = 'Make a password with which podman, skopeo and other programs use the registry.'
  static override description =
    `It is signed by your key and stored nowhere. It ends by itself, or at once when the key is no longer one of your account.`
  static override examples = [
    '<%= config.bin %> <%= command.id %> | podman login -u colibris --password-stdin coordinator.example:7700',
    '<%= config.bin %> <%= command.id %> --pull-only --repository colibris/shop/* --expires 1h'
  ]
  static override flags = {...networkFlags, ...accountFlags, ...registryTokenFlags}

  async run(): Promise<{readonly token: string; readonly account: string; readonly registry: string; readonly expiresAt: string}> {
    const {flags} = await this.parse(RegistryToken)
    const [{openAccount}, {makeRegistryToken}] = await Promise.all([
      import('../../developer/context.ts'),
      import('../../developer/registry-login.ts')
    ])
    const wish = {lifetimeMs: parseDurationMs(flags.expires), isPullOnly: flags['pull-only'], repository: flags.repository}
    const context = await openAccount(flags, this.abort)
    const {token, expiresAtMs, registry} = await makeRegistryToken(context, wish)
    const expiresAt = new Date(expiresAtMs).toISOString()
    this.log(token)
    this.logToStderr(`Good until ${expiresAt}: podman login -u ${context.account.name} ${registry}`)
    return {token, account: context.account.name, registry, expiresAt}
  }
}
