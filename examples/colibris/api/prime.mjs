export const PRIME_INDEX_MAX = 100_000
/** The 100,000th prime. */
const LARGEST = 1_299_709

/** The nth prime (the first is 2), by a sieve over a bound that Rosser's theorem gives: p(n) < n (ln n + ln ln n) for n ≥ 6. */
export function nthPrime(n) {
  const bound = n < 6 ? 13 : Math.min(LARGEST, Math.ceil(n * (Math.log(n) + Math.log(Math.log(n)))))
  const composite = new Uint8Array(bound + 1)
  let found = 0
  for (let candidate = 2; candidate <= bound; candidate += 1) {
    if (composite[candidate]) continue
    found += 1
    if (found === n) return candidate
    for (let multiple = candidate * candidate; multiple <= bound; multiple += candidate) composite[multiple] = 1
  }
  throw new RangeError(`There is no prime number ${n} up to ${bound}.`)
}
