import type {DoneMend} from './apply-mends.ts'
import type {FileEdit, Mend} from './plan-mends.ts'

/** A mend for people: why, and exactly what it changes. */
export function describeMend(mend: Mend): string {
  const lines = [
    mend.why,
    ...(mend.byHand === undefined ? [] : [`  by hand: ${mend.byHand}`]),
    ...mend.edits.flatMap(describeEdit),
    ...mend.commands.map((command) => `  run: ${command.join(' ')}`),
    ...(mend.holds === 'after_reboot' && mend.byHand === undefined ? ['  It holds after a reboot.'] : [])
  ]
  return lines.join('\n')
}

/** What taking a mend back changes. */
export function describeUndo({id, edits, undoCommands}: DoneMend): string {
  const files = edits.flatMap(({path, before, after}) =>
    before === undefined ? [`  remove ${path}`] : describeEdit({path, before: after, after: before})
  )
  return [id, ...files, ...undoCommands.map((command) => `  run: ${command.join(' ')}`)].join('\n')
}

/** The lines that go and the lines that come; the rest of the file stays. */
function describeEdit({path, before, after}: FileEdit): string[] {
  const old = (before ?? '').split('\n')
  const young = after.split('\n')
  return [
    `  ${before === undefined ? 'write' : 'edit'} ${path}`,
    ...old.filter((line) => line !== '' && !young.includes(line)).map((line) => `    - ${line}`),
    ...young.filter((line) => line !== '' && (before === undefined || !old.includes(line))).map((line) => `    + ${line}`)
  ]
}
