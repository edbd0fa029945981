import {expect, test} from 'vitest'
import {formatChange, formatGutta, formatLots, formatPrice, priceText, typedDecimal} from '../../web/src/format.ts'
import {plainText, takeApart} from '../../web/src/issuer-text.ts'
import {en} from '../../web/src/words/en.ts'
import {fr} from '../../web/src/words/fr.ts'

const LEAF = {decimals: 2, lotMinor: 10}

test('amounts are exact up to the largest, and written as the language does', () => {
  expect(formatGutta(9_007_199_254_740_991, 'en')).toBe('9,007,199,254.740991')
  expect(formatGutta(1_250_000, 'fr')).toBe('1,25')
  expect(formatLots(25, LEAF, 'en')).toBe('2.5')
  expect(formatLots(9_007_199_254_740_991, {decimals: 6, lotMinor: 1_000_000}, 'en')).toBe('9,007,199,254,740,991')
})

test('a price is Gutta for one whole unit, cut after six decimals', () => {
  expect(priceText(150_000, LEAF)).toBe('1.5')
  expect(priceText(1, {decimals: 0, lotMinor: 3})).toBe('0')
  expect(formatPrice(9_007_199_254_740_991, {decimals: 6, lotMinor: 1}, 'en')).toBe('9,007,199,254,740,991')
})

test('a change has its sign, and none where nothing changed', () => {
  expect([formatChange(100, 103, 'en'), formatChange(100, 99, 'en'), formatChange(100, 100, 'en')]).toEqual(['+3%', '-1%', '0%'])
})

test('what was typed is read as the reader writes numbers', () => {
  expect([typedDecimal('1 234,5', 'fr'), typedDecimal('1.5', 'fr'), typedDecimal('1.5', 'en')]).toEqual(['1234.5', '1.5', '1.5'])
  expect(typedDecimal('1,5', 'en')).toBe('1,5')
})

test('signs that nobody sees are named, and stand for nothing else', () => {
  expect(plainText('Leaf\u200b \u202eFAEL')).toBe('Leaf[U+200B] [U+202E]FAEL')
  expect(plainText('a\u0000b\ufeffc')).toBe('a[U+0000]b[U+FEFF]c')
  expect(plainText('<img src=x onerror=alert(1)>')).toBe('<img src=x onerror=alert(1)>')
  expect(plainText('👩\u200d🌾 seeds')).toBe('👩\u200d🌾 seeds')
})

test('towers of marks and endless texts are cut', () => {
  expect(plainText(`Z${'\u0301'.repeat(9)}`).match(/\u0301/g)?.length).toBe(3)
  expect([...plainText('x'.repeat(5_000))].length).toBe(201)
})

test('words of mixed alphabets are pointed out, texts in one or several languages are not', () => {
  expect(takeApart('L\u0435af').isMixed).toBe(true)
  for (const text of ['Leaf', 'Лист', 'Feuille à prix réduit', 'Leaf Лист', 'ورقة', 'リーフ leaf 3'])
    expect([text, takeApart(text).isMixed]).toEqual([text, false])
})

test('each language has the same words with the same places in them', () => {
  for (const [key, word] of Object.entries(en)) {
    const other = fr[key as keyof typeof en]
    expect([key, placesOf(other)]).toEqual([key, placesOf(word)])
  }
})

function placesOf(word: unknown): readonly string[] {
  return [...new Set(JSON.stringify(word).match(/\{\w+\}/g) ?? [])].sort()
}
