import type {Words} from './en.ts'

/** Languages of the page: one more is its words beside these, in two files, and one line here. */
export const LANGUAGES: Readonly<
  Record<string, {readonly name: string; readonly dir: 'ltr' | 'rtl'; readonly load: () => Promise<Words>}>
> = {
  en: {name: 'English', dir: 'ltr', load: async () => (await import('./en.ts')).en},
  fr: {name: 'Français', dir: 'ltr', load: async () => (await import('./fr.ts')).fr}
}
