import {createHmac, randomBytes, timingSafeEqual} from 'node:crypto'
import {z} from 'zod'
import {registryActions} from '../../core/protocol/registry.ts'

/** Clients ask for another when it ends. */
const LIFETIME_MAX_MS = 10 * 60_000
const SECRET_BYTES = 32

const bearerSchema = z.strictObject({
  keyId: z.string(),
  grants: z.array(z.strictObject({repository: z.string(), actions: z.array(z.enum(registryActions))})),
  notAfterMs: z.number()
})
type Bearer = z.output<typeof bearerSchema>

/** Short-lived tokens that this process alone makes and knows: after a restart clients ask for new ones. */
export class Bearers {
  readonly #secret = randomBytes(SECRET_BYTES)

  issue(
    bearer: Omit<Bearer, 'notAfterMs'>,
    {nowMs, notAfterMs}: {readonly nowMs: number; readonly notAfterMs: number}
  ): {readonly text: string; readonly lifetimeS: number} {
    const endsAtMs = Math.min(notAfterMs, nowMs + LIFETIME_MAX_MS)
    const payload = Buffer.from(JSON.stringify({...bearer, notAfterMs: endsAtMs})).toString('base64url')
    return {text: `${payload}.${this.#seal(payload).toString('base64url')}`, lifetimeS: Math.floor((endsAtMs - nowMs) / 1000)}
  }

  open(text: string | undefined, nowMs: number): Bearer | undefined {
    const [payload = '', seal = ''] = text?.split('.') ?? []
    const [given, right] = [Buffer.from(seal, 'base64url'), this.#seal(payload)]
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined
    const bearer = bearerSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
    return nowMs < bearer.notAfterMs ? bearer : undefined
  }

  #seal(payload: string): Buffer {
    return createHmac('sha256', this.#secret).update(payload).digest()
  }
}
