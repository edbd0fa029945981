/** What `creo init` can write. Each has its files in packaging/templates, which become the folder `web`. */
export const TEMPLATE_NAMES = ['server', 'node', 'typescript', 'python', 'static', 'site', 'containerfile'] as const
export type TemplateName = (typeof TEMPLATE_NAMES)[number]

export interface Template {
  readonly summary: string
  /** The function's lines in creo.yaml. */
  readonly lines: readonly string[]
  /** What must be done in the folder before it can be deployed. */
  readonly before?: (folder: string) => string
}

export const TEMPLATES: Readonly<Record<TemplateName, Template>> = {
  server: {summary: "Node's own HTTP server, nothing to install", lines: ['base: node', 'command: [node, server.mjs]']},
  node: {
    summary: 'a function of the Functions Framework, as for Cloud Run',
    lines: ['base: node', 'command: [node, node_modules/@google-cloud/functions-framework/build/src/main.js, --target=web]'],
    before: (folder) => `npm install --omit=dev --prefix ${folder}`
  },
  typescript: {summary: 'TypeScript, run by Node as it is', lines: ['base: node', 'command: [node, server.ts]']},
  python: {summary: "Python's own HTTP server", lines: ['base: python', 'command: [python3, server.py]']},
  static: {
    summary: 'a static program in Go, or in any language',
    lines: ['base: static', 'command: [/app/server]'],
    before: (folder) => `${folder}/build.sh`
  },
  site: {summary: 'files of a web site', lines: ['base: node', 'command: [node, server.mjs]']},
  containerfile: {
    summary: 'an image that buildah or podman builds from a Containerfile',
    lines: ['containerfile: ./web/Containerfile']
  }
}
