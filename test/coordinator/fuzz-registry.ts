import {contentDigestOf} from '../../src/identity/content-digest.ts'
import {digestOf} from '../../src/images/digest.ts'
import {encodeJson, MEDIA_TYPE} from '../../src/images/oci.ts'
import {descriptorOf} from '../images/registry-asks.ts'
import {type Ask, BLOBS, INVALID_SHARE, UNSIGNED_SHARE} from './fuzz-world.ts'
import type {Dice, SchemaValues} from './schema-values.ts'

export interface RegistryFuzzTools {
  readonly dice: Dice
  readonly values: SchemaValues
  /** Addresses that were given out. */
  readonly seen: readonly string[]
  readonly sign: (method: string, path: string, body: Buffer | undefined) => Record<string, string>
  /** What other programs log in with. */
  readonly basic: string
  readonly oddHeaders: (isChanged: boolean) => Record<string, string>
}

/** A request to the registry, which the document describes by its methods alone. */
export function registryAsk(tools: RegistryFuzzTools): Ask {
  const {dice, seen} = tools
  const isChanged = dice.chance(INVALID_SHARE)
  const repository =
    isChanged && dice.chance(0.2) ? dice.pick(['Colibris', 'a//b', '-', 'ann/x', 'creo/node', 'x'.repeat(300)]) : 'colibris/garden/api'
  const blob = dice.pick(BLOBS)
  const digest = isChanged && dice.chance(0.3) ? dice.pick(['sha256:', 'sha256:zz', `sha512:${'a'.repeat(128)}`, 'x']) : digestOf(blob)
  const upload = seen.find((one) => one.includes('/blobs/uploads/')) ?? `/v2/${repository}/blobs/uploads/${crypto.randomUUID()}`
  const manifest = manifestBytes(tools, isChanged)
  const reference = dice.pick(['v1', 'next', digestOf(manifest)])
  const shapes: [method: string, path: string, body?: Buffer, type?: string][] = [
    ['GET', '/v2/'],
    ['GET', `/v2/token?service=creo-registry&scope=repository:${repository}:pull,push`],
    ['POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, blob],
    ['POST', `/v2/${repository}/blobs/uploads/?mount=${digest}&from=ann/x`],
    ['POST', `/v2/${repository}/blobs/uploads/`],
    ['PATCH', upload, blob],
    ['PUT', `${upload}?digest=${digest}`, dice.chance(0.5) ? blob : Buffer.alloc(0)],
    ['GET', upload],
    ['DELETE', upload],
    ['GET', `/v2/${repository}/blobs/${digest}`],
    ['HEAD', `/v2/${repository}/blobs/${digest}`],
    ['DELETE', `/v2/${repository}/blobs/${digest}`],
    ['PUT', `/v2/${repository}/manifests/${reference}`, manifest, MEDIA_TYPE.manifest],
    ['GET', `/v2/${repository}/manifests/${reference}`],
    ['DELETE', `/v2/${repository}/manifests/${reference}`],
    ['GET', `/v2/${repository}/tags/list?n=${dice.pick(['1', '0', '-1', 'x', '99999999999'])}&last=${dice.pick(['v', '', '%00'])}`],
    ['GET', `/v2/${repository}/referrers/${digest}?artifactType=${dice.pick(['a', '', '%ff'])}`],
    ['GET', dice.pick(['/v2/_catalog', '/v2//', '/v2/%ff', `/v2/${repository}`, '/v2/../v1/network'])]
  ]
  const [method, path, body, type = 'application/octet-stream'] = dice.pick(shapes)
  const isSigned = !dice.chance(UNSIGNED_SHARE)
  const covered = method === 'PUT' || method === 'PATCH' || method === 'POST' ? body : undefined
  return {
    method: isChanged && dice.chance(0.05) ? 'PUT' : method,
    path,
    headers: {
      ...(body !== undefined && {'content-type': type}),
      ...(path.startsWith('/v2/token') && {authorization: `Basic ${tools.basic}`}),
      ...(isSigned && tools.sign(method, path, covered)),
      ...(isChanged && dice.chance(0.1) && {'content-digest': contentDigestOf('another')}),
      ...tools.oddHeaders(isChanged)
    },
    ...(body !== undefined && {body}),
    isValid: !isChanged && isSigned
  }
}

function manifestBytes({dice, values}: RegistryFuzzTools, isChanged: boolean): Buffer {
  const [base, code, config] = BLOBS
  if (base === undefined || code === undefined || config === undefined) throw new Error('no blobs')
  const right = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.manifest,
    config: descriptorOf(config, MEDIA_TYPE.config),
    layers: [descriptorOf(base, MEDIA_TYPE.layerTar), descriptorOf(code, MEDIA_TYPE.layerTar)],
    ...(dice.chance(0.3) && {annotations: {n: String(dice.below(5))}})
  }
  return isChanged ? Buffer.from(JSON.stringify(values.changed(right))) : Buffer.from(encodeJson(right))
}
