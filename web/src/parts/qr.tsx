import {encode} from 'uqr'
import {useWords} from '../words.ts'

/** A text as a QR code: dark on light in every theme, since not every camera reads it the other way round. */
export function QrCode({text}: {readonly text: string}) {
  const {t} = useWords()
  const {data, size} = encode(text, {ecc: 'M', border: 4})
  const path = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : []))).join('')
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={t('redemption.qr', {code: text})} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  )
}
