const {pathToFileURL} = require('node:url')

/** Imports a module as a program of Node would; what is inside a single executable can only import what is inside too. */
module.exports = (path) => import(pathToFileURL(path).href)
