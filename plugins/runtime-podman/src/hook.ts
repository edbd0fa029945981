import type {RuntimesHook} from 'creo/runtime'

/** The oclif `runtimes` hook: what this plugin adds to creo. The heavy part loads only when it is chosen. */
const runtimes: RuntimesHook = async () => [
  {
    name: 'podman',
    create: async (tools) => {
      const {createPodmanRuntime} = await import('./podman-runtime.ts')
      return createPodmanRuntime(tools)
    }
  }
]

export default runtimes
