/** An address that stands in a script between quotes as it is. */
const PLAIN_URL = /^https?:\/\/[\w.~:/@%+-]+$/

/**
 * `packaging/install.sh` as it is published: with the publisher's key and, if it is known, the address of the releases.
 * @throws {Error} for an address that is none.
 */
export function installScript(template: string, published: {readonly publicKey?: string; readonly url?: string}): string {
  const {publicKey = '', url = ''} = published
  if (url !== '' && !PLAIN_URL.test(url)) throw new Error(`"${url}" is no address of releases.`)
  return filled(filled(template, 'PUBLIC_KEY', publicKey), 'RELEASE_URL', url)
}

function filled(template: string, name: string, value: string): string {
  const empty = `\n${name}=''\n`
  if (!template.includes(empty)) throw new Error(`install.sh has no line ${name}=''.`)
  return template.replace(empty, () => `\n${name}='${value}'\n`)
}
