let second = 0
let text = ''

/** Now, as HTTP writes it; made once a second. */
export function httpDate(): string {
  const nowS = Math.floor(Date.now() / 1000)
  if (nowS !== second) {
    second = nowS
    text = new Date(nowS * 1000).toUTCString()
  }
  return text
}
