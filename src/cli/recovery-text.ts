/** Shown once, and before it is worth anything: nothing keeps the code. */
export function recoveryCodeText(code: string): string {
  return `Recovery code, shown this once. Write it down and keep it away from this machine:

    ${code}

Whoever has it can ask to become the owner, after a delay in which any owner can say no. It is good once
this command ends without an error.
`
}
