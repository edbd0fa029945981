import {CreoError} from '../core/errors.ts'
import {formatBytes} from '../core/units.ts'
import {MANIFEST_ACCEPT} from '../images/oci.ts'
import {pushImage, type TransferProgress} from '../images/registry-client.ts'
import {type RegistryAddress, send} from '../images/registry-http.ts'
import type {FunctionImage} from './build.ts'
import type {AccountContext} from './context.ts'
import type {StepPort} from './steps.ts'

export interface PushFacts {
  readonly bytesPushed: number
  readonly blobsPushed: number
  /** Blobs that the registry had already. */
  readonly blobsPresent: number
}

/**
 * Sends what the registry lacks of one function's image.
 * @throws {CreoError} `image_missing` when the manifest names a digest that the registry does not have.
 */
export async function pushFunction(
  context: AccountContext,
  image: FunctionImage,
  {app, steps, signal}: {readonly app: string; readonly steps: StepPort; readonly signal: AbortSignal}
): Promise<PushFacts> {
  const address = registryAddress(context, {app, function: image.function})
  if (image.in === 'registry') {
    await assertThere(address, image, signal)
    return {bytesPushed: 0, blobsPushed: 0, blobsPresent: 0}
  }
  return await steps.step(`Push ${image.function}`, async (note) => {
    const onProgress = ({doneBytes, totalBytes}: TransferProgress): void => note(`${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`)
    const pushed = await pushImage({...address, layoutDirectory: image.layoutDirectory, onProgress, signal})
    note(pushed.bytesSent === 0 ? 'nothing is missing' : formatBytes(pushed.bytesSent))
    return {bytesPushed: pushed.bytesSent, blobsPushed: pushed.blobsSent, blobsPresent: pushed.blobsPresent}
  })
}

/** Where a function's images lie. */
export function registryAddress(
  {coordinatorUrl, account, client}: AccountContext,
  {app, function: name}: {readonly app: string; readonly function: string}
): RegistryAddress {
  return {registryUrl: coordinatorUrl, repository: `${account.name}/${app}/${name}`, authorize: client.authorizeRegistry}
}

async function assertThere(address: RegistryAddress, image: FunctionImage, signal: AbortSignal): Promise<void> {
  const response = await send(address, {method: 'HEAD', target: `manifests/${image.digest}`, headers: {accept: MANIFEST_ACCEPT}, signal})
  await response.body.dump()
  if (response.statusCode === 200) return
  throw new CreoError('image_missing', `The registry has no ${image.digest} in ${address.repository}.`, {
    hint: 'Push it there first, or give functions.*.source instead of image.'
  })
}
