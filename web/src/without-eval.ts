import {config} from 'zod/mini'

/** Comes before everything that makes a schema: the page's policy lets nothing be compiled out of text. */
config({jitless: true})
