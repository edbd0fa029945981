import {useWords} from '../words.ts'

/** Twelve words, numbered as they are to be written down. */
export function Words({words}: {readonly words: string}) {
  const {t} = useWords()
  return (
    <>
      <p>{t('words.why')}</p>
      <ol class="words" lang="en" dir="ltr">
        {words.split(' ').map((word, place) => (
          <li key={`${place}${word}`}>{word}</li>
        ))}
      </ol>
    </>
  )
}
