import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {isInProgram, type LockedPackage, type PackageLock} from './app-files.ts'
import {nodeVersion} from './node-executables.ts'

/** What the program consists of, as a CycloneDX 1.6 document: each package of package-lock.json that is in it, and Node. It has no time and no serial number. */
export function sbom(root: string): string {
  const {version} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {version: string}
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as PackageLock
  const packages = Object.entries(lock.packages).filter(([path, locked]) => isInProgram(path, locked) && locked.version !== undefined)
  const components = packages.map(([path, locked]) => component(path, locked))
  const node = {type: 'platform', name: 'node', version: nodeVersion(root), purl: `pkg:generic/node@${nodeVersion(root)}`}
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {component: {type: 'application', name: 'creo', version, purl: `pkg:npm/creo@${version}`}},
    components: [node, ...components]
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

function component(path: string, {version, integrity, license}: LockedPackage): object {
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
  const [algorithm, digest] = integrity?.split('-') ?? []
  return {
    type: 'library',
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    'bom-ref': path,
    ...(license === undefined ? {} : {licenses: [{expression: license}]}),
    ...(algorithm === 'sha512' && digest !== undefined
      ? {hashes: [{alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex')}]}
      : {})
  }
}
