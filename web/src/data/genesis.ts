import {useMemo} from 'preact/hooks'
import {networkViewSchema} from '../../../src/core/protocol/api.ts'
import {type Genesis, genesisSchema} from '../../../src/core/protocol/genesis.ts'
import {useSignedRead} from './use-read.ts'

/** What the network is and how it counts. */
export function useGenesis(): Genesis | undefined {
  const {value} = useSignedRead('/v1/network', networkViewSchema)
  return useMemo(() => (value === undefined ? undefined : genesisSchema.parse(JSON.parse(value.genesis))), [value?.genesis])
}
