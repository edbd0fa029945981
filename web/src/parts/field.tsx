import type {ComponentChildren} from 'preact'
import {useId} from 'preact/hooks'

interface FieldProps {
  readonly label: string
  readonly value: string
  readonly onInput: (value: string) => void
  readonly unit?: string
  readonly problem?: string | undefined
  readonly hint?: ComponentChildren
  /** Not to be seen by who looks over one's shoulder. */
  readonly isSecret?: boolean
  readonly inputMode?: 'decimal' | 'text' | 'numeric'
  readonly autoComplete?: string
  readonly maxLength?: number
}

const LENGTH_MAX = 40

/** A labelled input with its unit, a hint, and what is wrong with what stands in it. */
export function Field({
  label,
  value,
  onInput,
  unit,
  problem,
  hint,
  isSecret = false,
  inputMode = 'text',
  autoComplete = 'off',
  maxLength = LENGTH_MAX
}: FieldProps) {
  const id = useId()
  const input = {
    id,
    inputMode,
    autoComplete,
    autoCapitalize: 'none' as const,
    spellcheck: false,
    maxLength,
    value,
    'aria-invalid': problem !== undefined,
    'aria-describedby': `${id}-about`,
    onInput: (event: {readonly currentTarget: HTMLInputElement}) => onInput(event.currentTarget.value)
  }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-box" style={{'--unit': unit?.length ?? 0}}>
        {isSecret ? <input {...input} type="password" /> : <input {...input} />}
        {unit !== undefined && <span class="unit">{unit}</span>}
      </div>
      <small id={`${id}-about`} class={problem === undefined ? '' : 'wrong'}>
        {problem ?? hint}
      </small>
    </div>
  )
}

/** One of a few, by name. */
export function Choice<T extends string>({
  label,
  value,
  of,
  words,
  onChange,
  hint
}: {
  readonly label: string
  readonly value: T
  readonly of: readonly T[]
  readonly words: (one: T) => string
  readonly onChange: (one: T) => void
  readonly hint?: string
}) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} aria-describedby={`${id}-about`} onChange={(event) => onChange(event.currentTarget.value as T)}>
        {of.map((one) => (
          <option key={one} value={one}>
            {words(one)}
          </option>
        ))}
      </select>
      <small id={`${id}-about`}>{hint}</small>
    </div>
  )
}
