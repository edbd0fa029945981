/** undici's `request`, to be loaded when it is wanted: of a CommonJS package that is imported so itself, a bundle knows no names. */
export {request} from 'undici'
