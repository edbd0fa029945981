/** How long work tells people where it is; `cli/progress.ts` is the one that writes to a terminal. */
export interface Progress {
  step<T>(name: string, work: () => Promise<T>): Promise<T>
  say(text: string): void
}
