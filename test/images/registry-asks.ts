import {request} from 'undici'
import {type Digest, digestOf} from '../../src/images/digest.ts'
import {encodeJson, MEDIA_TYPE} from '../../src/images/oci.ts'

export interface Said {
  readonly status: number
  /** The code of the specification, of an error. */
  readonly code: string | undefined
  readonly message: string | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** Speaks to a registry as any client might. */
export class RegistryAsks {
  readonly url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.url = url
    this.#headers = headers
  }

  async ask(method: string, path: string, body: string | Buffer | null = null, headers: Record<string, string> = {}): Promise<Said> {
    const url = new URL(path.startsWith('/') ? path : `/v2/${path}`, this.url)
    const typed = body === null || 'content-type' in headers ? {} : {'content-type': 'application/octet-stream'}
    const options = {method: method as 'GET', body, headers: {...typed, ...this.#headers, ...headers}}
    const response = await request(url, options)
    const text = await response.body.text()
    const [error] = text.startsWith('{"errors"') ? (JSON.parse(text) as {errors: {code: string; message: string}[]}).errors : []
    return {status: response.statusCode, code: error?.code, message: error?.message, headers: response.headers, text}
  }

  async pushBlob(repository: string, content: string | Buffer): Promise<Digest> {
    const digest = digestOf(content)
    const {status, text} = await this.ask('POST', `${repository}/blobs/uploads/?digest=${digest}`, content)
    if (status !== 201) throw new Error(`the blob was not taken: ${status} ${text}`)
    return digest
  }

  /** Pushes config and layers, then the manifest. */
  async pushImage(repository: string, {layers, reference, ...more}: ImageToPush): Promise<Digest> {
    const parts = [JSON.stringify({for: repository}), ...layers]
    for (const part of parts) await this.pushBlob(repository, part)
    const [config, ...rest] = parts.map((part, index) => descriptorOf(part, index === 0 ? MEDIA_TYPE.config : MEDIA_TYPE.layerTar))
    return this.pushManifest(repository, {schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers: rest, ...more}, reference)
  }

  async pushManifest(
    repository: string,
    manifest: {readonly mediaType: string; readonly [field: string]: unknown},
    reference?: string
  ): Promise<Digest> {
    const bytes = encodeJson(manifest)
    const {status, text} = await this.putManifest(repository, manifest, reference)
    if (status !== 201) throw new Error(`the manifest was not taken: ${status} ${text}`)
    return digestOf(bytes)
  }

  putManifest(
    repository: string,
    manifest: {readonly mediaType: string; readonly [field: string]: unknown},
    reference?: string
  ): Promise<Said> {
    const bytes = encodeJson(manifest)
    return this.ask('PUT', `${repository}/manifests/${reference ?? digestOf(bytes)}`, bytes, {'content-type': manifest.mediaType})
  }
}

export interface ImageToPush {
  readonly layers: readonly string[]
  readonly reference?: string
  readonly subject?: ReturnType<typeof descriptorOf>
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

export function descriptorOf(content: string | Buffer, mediaType: string): {mediaType: string; digest: Digest; size: number} {
  return {mediaType, digest: digestOf(content), size: Buffer.byteLength(content)}
}
