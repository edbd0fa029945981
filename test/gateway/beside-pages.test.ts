import {describe, expect, it} from 'vitest'
import {dataHeaders} from '../../src/gateway/assets/beside-pages.ts'

const TEXT = 'text/plain; charset=utf-8'

describe('a function beside a page', () => {
  it.each([
    ['application/json; charset=utf-8', 'application/json'],
    ['Text/Event-Stream', 'text/event-stream'],
    ['image/svg+xml', TEXT],
    ['text/javascript', TEXT],
    ['application/xhtml+xml', TEXT],
    ['application/json, text/html', TEXT],
    ['', TEXT]
  ])('that answers %s is told on as %s', (said, told) => {
    expect(valuesOf(dataHeaders(['content-type', said], 'rev_2'), 'content-type')).toEqual([told])
  })

  it.each([
    ['/api/next?x=1', ['/api/next?x=1']],
    ['//evil.example/', []],
    ['/\\evil.example/', []],
    ['https://evil.example/', []],
    ['javascript:alert(1)', []]
  ])('that sends on to %s is followed to %s', (said, told) => {
    expect(valuesOf(dataHeaders(['location', said], 'rev_2'), 'location')).toEqual(told)
  })

  it('tells one type, whichever of two its host meant', () => {
    expect(valuesOf(dataHeaders(['content-type', 'application/json', 'content-type', 'text/html'], 'rev_2'), 'content-type')).toEqual([
      TEXT
    ])
  })
})

function valuesOf(headers: readonly string[], name: string): readonly string[] {
  return headers.filter((_, at) => at % 2 === 1 && headers[at - 1] === name)
}
