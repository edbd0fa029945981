import {randomInt} from 'node:crypto'

const LANGUAGES = [
  'en-US,en;q=0.9',
  'en-GB,en;q=0.9',
  'fr-FR,fr;q=0.9,en;q=0.8',
  'es-ES,es;q=0.9,en;q=0.8',
  'pt-BR,pt;q=0.9,en;q=0.8',
  'sw-KE,sw;q=0.9,en;q=0.8',
  'de-DE,de;q=0.9,en;q=0.8',
  'hi-IN,hi;q=0.9,en;q=0.8'
]

interface Browser {
  readonly userAgent: string
  /** What those of Chromium's kind say of themselves besides; absent for others. */
  readonly hints?: {readonly brands: string; readonly isMobile: boolean; readonly platform: string}
}

/** Versions age, and old ones can be told from visitors: renew them with a release. */
const CHROMIUM = '"Chromium";v="140", "Not=A?Brand";v="24"'
const BROWSERS: readonly Browser[] = [
  {
    userAgent: 'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36',
    hints: {brands: `${CHROMIUM}, "Google Chrome";v="140"`, isMobile: true, platform: 'Android'}
  },
  {
    userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
    hints: {brands: `${CHROMIUM}, "Google Chrome";v="140"`, isMobile: false, platform: 'Windows'}
  },
  {
    userAgent:
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
    hints: {brands: `${CHROMIUM}, "Microsoft Edge";v="140"`, isMobile: false, platform: 'Windows'}
  },
  {userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0'},
  {userAgent: 'Mozilla/5.0 (Android 14; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0'},
  {userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'},
  {
    userAgent:
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1'
  }
]

/**
 * What a browser sends when a page of `origin` asks its own server for something: one drawn among those that are common, in the words and the order of its kind.
 * Names and values in turn.
 */
export function visitorHeaders(origin: string, draw: (below: number) => number = randomInt): string[] {
  const {userAgent, hints} = BROWSERS[draw(BROWSERS.length)] ?? {userAgent: ''}
  const language = LANGUAGES[draw(LANGUAGES.length)] ?? ''
  const isSecure = origin.startsWith('https:')
  const from = ['referer', `${origin}/`]
  // Of what is fetched without TLS they say less.
  const fetched = isSecure ? ['sec-fetch-site', 'same-origin', 'sec-fetch-mode', 'cors', 'sec-fetch-dest', 'empty', ...from] : from
  const taken = ['accept-encoding', isSecure ? 'gzip, deflate, br, zstd' : 'gzip, deflate']
  if (hints === undefined) return ['user-agent', userAgent, 'accept', '*/*', 'accept-language', language, ...taken, ...fetched]
  const {brands, isMobile, platform} = hints
  const own = ['user-agent', userAgent]
  const said = isSecure
    ? ['sec-ch-ua-platform', `"${platform}"`, ...own, 'sec-ch-ua', brands, 'sec-ch-ua-mobile', isMobile ? '?1' : '?0']
    : own
  return [...said, 'accept', '*/*', ...fetched, ...taken, 'accept-language', language]
}
