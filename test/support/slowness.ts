/**
 * How many times slower than a machine of its own this one is: an emulated machine gives what is waited for more time, by `CREO_TEST_SLOWNESS`.
 * No test measures by it, so that on a fast machine nothing but the wait for something broken is longer.
 */
export const SLOWNESS = Math.max(1, Number(process.env.CREO_TEST_SLOWNESS ?? 1))
