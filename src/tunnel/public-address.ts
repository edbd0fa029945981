import {lookup} from 'node:dns/promises'
import {networkInterfaces} from 'node:os'
import {firstForbiddenAddress} from '../core/egress.ts'
import {CreoError} from '../core/errors.ts'

export interface ResolveOptions {
  /** Every address of a name, without it as this machine resolves names; asked once for each connection, and only what it answered is connected to. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
  /** Networks of this machine as ADDRESS/BITS, asked for each connection; without it what the interfaces have. */
  readonly ownNetworks?: () => readonly string[]
}

/**
 * An address of a name, to be connected to as it is: a name that is resolved again may point elsewhere.
 * @throws {CreoError} `forbidden` when one of the name's addresses is not public or is in this machine's own networks; `not_found` without any.
 */
export async function publicAddressOf(
  host: string,
  {resolve = addressesOf, ownNetworks = machineNetworks}: ResolveOptions = {}
): Promise<string> {
  const addresses = await resolve(host)
  const forbidden = firstForbiddenAddress(addresses, ownNetworks())
  if (forbidden !== undefined) {
    throw new CreoError('forbidden', `${host} has the ${forbidden.kind} address ${forbidden.address}; only public addresses are reached.`)
  }
  const [address] = addresses
  if (address === undefined) throw new CreoError('not_found', `${host} has no address.`)
  return address
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, {all: true})).map(({address}) => address)
}

function machineNetworks(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).flatMap(({cidr}) => cidr ?? []))
}
