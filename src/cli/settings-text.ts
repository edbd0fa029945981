import type {ChangedFunction} from '../developer/app-settings.ts'

/** What a changed setting made, how to undo it, and that the manifest does not know of it yet. */
export function changedText(functions: readonly ChangedFunction[], what: string): string {
  const changed = functions.filter(({status}) => status === 'changed')
  return [
    ...functions.map(({function: name, from, to, status}) =>
      status === 'changed' ? `${name}  ${to} serves with the image of ${from} and ${what}.` : `${name}  ${from} is so already.`
    ),
    ...changed.map(({undo}) => `Undo it: ${undo}`),
    ...(changed.length === 0 ? [] : ['Change creo.yaml likewise: the next creo deploy goes by that.'])
  ].join('\n')
}
