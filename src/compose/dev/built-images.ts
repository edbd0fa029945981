import {resolve, sep} from 'node:path'
import type {Manifest, ManifestFunction} from '../../core/manifest.ts'
import type {DeployedFunction} from '../../developer/deploy.ts'
import type {FoundManifest} from '../../developer/read-manifest.ts'

interface Built {
  readonly digest: string
  readonly recipe: string
  readonly source: string
  /** Another tool built it, of whatever its file names. */
  readonly isForeign: boolean
}

/** What is in the registry already of a function whose files are what they were: it need not be built again to be deployed with the others. */
export class BuiltImages {
  readonly #built = new Map<string, Built>()

  /** Something changed in a folder of sources, or in a file beside. */
  changed(path: string): void {
    for (const [name, {source, isForeign}] of this.#built) {
      if (isForeign || path === source || source.startsWith(`${path}${sep}`)) this.#built.delete(name)
    }
  }

  /** The manifest with the image of each function that need not be built. */
  with(found: FoundManifest): FoundManifest {
    const functions = Object.entries(found.manifest.functions).map(([name, fn]): [string, ManifestFunction] => {
      const built = this.#built.get(name)
      if (built === undefined || built.recipe !== recipeOf(fn)) return [name, fn]
      return [name, {...fn, source: undefined, containerfile: undefined, image: built.digest}]
    })
    const manifest: Manifest = {...found.manifest, functions: Object.fromEntries(functions)}
    return {...found, manifest}
  }

  keep(found: FoundManifest, deployed: readonly DeployedFunction[]): void {
    for (const {function: name, imageDigest: digest} of deployed) {
      const fn = found.manifest.functions[name]
      // Where files are listed, the list is made with the image.
      if (fn?.source === undefined || fn.assets !== undefined) continue
      const source = resolve(found.folder, fn.source)
      this.#built.set(name, {digest, recipe: recipeOf(fn), source, isForeign: fn.containerfile !== undefined})
    }
  }
}

function recipeOf({source, containerfile, base, command, architectures}: ManifestFunction): string {
  return JSON.stringify([source, containerfile, base, command, architectures])
}
